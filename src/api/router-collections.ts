/** Routers and floating IPs: their attribute maps joined to their operations. */
import {
  createFloatingIp,
  deleteFloatingIp,
  type FloatingIpChanges,
  type FloatingIpCreate,
  listFloatingIps,
  showFloatingIp,
  updateFloatingIp,
} from '../operations/floating-ip.ts';
import {
  changeRoutes,
  createRouter,
  deleteRouter,
  listRouters,
  type RouterChanges,
  type RouterCreate,
  showRouter,
  updateRouter,
  zonesOfRouters,
} from '../operations/router.ts';
import { hostRoutes } from '../resources/address-values.ts';
import { floatingIpMap, type FloatingIpRow } from '../resources/floating-ip.ts';
import { type PortForwardingRow, shownForwarding } from '../resources/port-forwarding.ts';
import type { PortRow } from '../resources/port.ts';
import { routerMap, type RouterRow, type RouterView } from '../resources/router.ts';
import type { HostRoute } from '../resources/subnet.ts';
import type { ListQuery, Tables } from '../store/store.ts';
import { type Action, collection, type Operations } from './collection.ts';

const extraRoutes = (list: 'add' | 'remove', summary: string): Action<RouterView> => ({
  name: `${list}_extraroutes`,
  summary,
  body: { routes: hostRoutes },
  wrapped: true,
  run: (tx, call, { values, ...named }) =>
    changeRoutes(tx, call, { ...named, [list]: values['routes'] as HostRoute[] }),
});

const routerOperations: Operations<RouterView> = {
  table: 'routers',
  create: (tx, call, rows) => createRouter(tx, call, rows as readonly RouterCreate[]),
  update: (tx, call, write) => updateRouter(tx, call, { ...write, changes: write.changes as RouterChanges }),
  remove: deleteRouter,
  show: showRouter,
  list: (tables, call, query) => listRouters(tables, call, query as unknown as ListQuery<RouterRow>),
  async compute(tables, _call, rows) {
    const zones = await zonesOfRouters(
      tables,
      rows.map((row) => row.id),
    );
    return (row) => ({ availability_zones: zones.get(row.id) ?? [] });
  },
};

export const routerCollection = collection<RouterView>(routerMap, routerOperations, {
  actions: [
    extraRoutes('add', 'Adds routes to those that there are.'),
    extraRoutes('remove', 'Removes some routes.'),
  ],
});

function portDetails(port: PortRow | undefined): object | null {
  if (!port) return null;
  const { name, network_id, mac_address, admin_state_up, status, device_id, device_owner } = port;
  return { name, network_id, mac_address, admin_state_up, status, device_id, device_owner };
}

/** As a part of its floating IP: as in Neutron, where a range of one port is not shown. */
function partOfFloatingIp(row: PortForwardingRow): object {
  const { floating_ip_id: _own, description: _words, ...all } = shownForwarding(row);
  const { internal_port_range, external_port_range, ...shown } = all;
  return 'external_port' in shown ? shown : { ...shown, internal_port_range, external_port_range };
}

async function forwardingsOf(tables: Tables, ids: readonly string[]): Promise<Map<string, object[]>> {
  if (ids.length === 0) return new Map();
  const rows = await tables.portForwardings.find({ floating_ip_id: ids });
  const byFloatingIp = Map.groupBy(rows, (row) => row.floating_ip_id);
  return new Map([...byFloatingIp].map(([id, own]) => [id, own.map(partOfFloatingIp)]));
}

export const floatingIpCollection = collection<FloatingIpRow>(floatingIpMap, {
  table: 'floatingIps',
  create: (tx, call, rows) => createFloatingIp(tx, call, rows as readonly FloatingIpCreate[]),
  update: (tx, call, write) =>
    updateFloatingIp(tx, call, { ...write, changes: write.changes as FloatingIpChanges }),
  remove: deleteFloatingIp,
  show: showFloatingIp,
  list: listFloatingIps,
  async compute(tables, _call, rows) {
    const ids = [...new Set(rows.flatMap((row) => row.port_id ?? []))];
    const ports = ids.length === 0 ? [] : await tables.ports.find({ id: ids });
    const portOf = new Map(ports.map((port) => [port.id, port]));
    const forwardings = await forwardingsOf(
      tables,
      rows.map((row) => row.id),
    );
    return (row) => ({
      port_details: portDetails(portOf.get(row.port_id ?? '')),
      port_forwardings: forwardings.get(row.id) ?? [],
    });
  },
});
