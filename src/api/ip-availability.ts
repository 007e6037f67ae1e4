/** `/v2.0/network-ip-availabilities`, for admins: read only, and counts of IPv6 are larger than a number holds. */
import { listIpAvailability, showIpAvailability } from '../operations/ip-availability.ts';
import { type IpAvailability, ipAvailabilityMap } from '../resources/ip-availability.ts';
import { collection } from './collection.ts';

/** An integer of any size, as JSON writes it. */
const exact = (count: bigint): unknown =>
  (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(String(count));

type Shown = Omit<IpAvailability, 'total_ips' | 'subnet_ip_availability'>;

const shown = (row: IpAvailability): Shown => ({
  ...row,
  ...{ total_ips: exact(row.total_ips) },
  ...{
    subnet_ip_availability: row.subnet_ip_availability.map((one) => ({
      ...one,
      total_ips: exact(one.total_ips),
    })),
  },
});

export const ipAvailabilityCollection = collection<Shown>(
  ipAvailabilityMap,
  {
    show: async (tables, call, id) => shown(await showIpAvailability(tables, call, id)),
    list: async (tables, call, query) => (await listIpAvailability(tables, call, query as never)).map(shown),
    compute: () => Promise.resolve(() => ({})),
  },
  { adminOnly: true },
);
