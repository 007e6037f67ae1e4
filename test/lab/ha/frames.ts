/** Frames that come out of a router's links on a host, counted where the host takes them up. */
import { enterNode } from '../../../src/lab/ground.ts';
import { mustRun } from '../../../src/lab/program.ts';
import type { Stage } from '../stage.ts';
import type { HaGrounds } from './grounds.ts';

interface RouterPort {
  readonly id: string;
  readonly device_owner: string;
}

/** The ends on the hosts of a router's links: all but those to the HA segment, or just those. */
export async function tapsOf({ stage, routerId }: HaGrounds, which: 'served' | 'ha'): Promise<string[]> {
  const { ports } = await stage.lab.api('GET', `/v2.0/ports?device_id=${routerId}`);
  const isHa = (port: RouterPort) => port.device_owner === 'network:router_ha_interface';
  return (ports as RouterPort[])
    .filter((port) => isHa(port) === (which === 'ha'))
    .map((port) => `tap${port.id.slice(0, 11)}`);
}

const TABLE = 'bridge deuteron-count';

/** Counts frames that come out of those links on a host; gives what reads the count. */
export async function countFrames(
  { lab }: Stage,
  host: string,
  what: { readonly taps: readonly string[]; readonly match: string },
): Promise<() => Promise<number>> {
  const enter = enterNode(lab.place.ground, lab.layout, lab.node(host));
  const names = what.taps.map((tap) => `"${tap}"`).join(', ');
  const input = `table ${TABLE}
delete table ${TABLE}
table ${TABLE} {
  chain seen {
    type filter hook prerouting priority -400;
    iifname { ${names} } ${what.match} counter
  }
}
`;
  await mustRun([...enter, 'sh', '-c', 'cat | nft -f -'], { input });
  return async () => {
    const text = await mustRun([...enter, 'nft', 'list', 'table', ...TABLE.split(' ')]);
    return Number(/counter packets (\d+)/.exec(text)?.[1] ?? Number.NaN);
  };
}

export async function countNoMore({ lab }: Stage, hosts: readonly string[]): Promise<void> {
  for (const host of hosts) await lab.run(host, ['nft', 'delete', 'table', ...TABLE.split(' ')]);
}
