/** Routers that nobody serves, and heartbeats that have one way only, or none: as of one view, for the alerts. */
import type { EventRow } from '../resources/event.ts';
import { type Path, PATHS } from '../resources/replica-report.ts';
import type { RouterBindingRow, RouterRow } from '../resources/router.ts';
import type { Tables, Transaction } from '../store/store.ts';
import type { Call } from './operation.ts';
import { beginAlert, endAlerts, openAlerts, type RouterAlert } from './router-alerts.ts';
import { shownState } from './router-view.ts';

/** Those that are looked for here. */
type WatchedAlert = Extract<RouterAlert, 'router-unserved' | 'heartbeat-path'>;

/** What an alert is to say, by its kind and object. */
export interface Matter {
  readonly alert: WatchedAlert;
  readonly object: string;
  readonly host: string;
  readonly severity: EventRow['severity'];
  readonly message: string;
}

/** More than so many at once are told of as one. */
export const MOST_TOLD = 20;
const MANY = 'routers';

/** All that is the matter now. */
export async function routerMatters(tables: Tables, call: Call): Promise<Matter[]> {
  const routers = await tables.routers.find({ admin_state_up: true });
  if (routers.length === 0) return [];
  const bindings = await tables.routerBindings.find({});
  const agents = await tables.agents.find({ role: 'l3' });
  const alive = new Set(agents.filter((agent) => call.isAlive(agent)).map((agent) => agent.id));
  const isAlive = (id: string) => alive.has(id);
  const byRouter = Map.groupBy(bindings, (row) => row.router_id);
  const unserved: Matter[] = [];
  for (const router of routers) {
    const why = whyUnserved(router, byRouter.get(router.id) ?? [], isAlive);
    if (why !== null && (byRouter.has(router.id) || (await isAttached(tables, router))))
      unserved.push(unservedMatter(router, why));
  }
  const ofHa = new Set(routers.filter(({ ha }) => ha).map(({ id }) => id));
  const told = bindings.filter((row) => ofHa.has(row.router_id) && row.role_details && isAlive(row.agent_id));
  const shared = told.filter((row) => (byRouter.get(row.router_id)?.length ?? 0) > 1);
  return [...inBulk(unserved), ...(await pathMatters(tables, shared))];
}

function whyUnserved(
  router: RouterRow,
  all: readonly RouterBindingRow[],
  isAlive: (id: string) => boolean,
): string | null {
  if (all.length === 0) return 'no host has it';
  if (!router.ha) {
    if (all.some((row) => isAlive(row.agent_id))) return null;
    return `the agent of ${all[0]?.host} is taken for dead, and no other has it`;
  }
  // agents that tell of no roles
  if (all.every((row) => row.role_details === null)) return null;
  if (all.some((row) => shownState(row, { all, isAlive }) === 'active')) return null;
  const said = all.map((row) => {
    const state = isAlive(row.agent_id) ? (row.role_details?.state ?? 'unknown') : 'of a dead agent';
    return `${row.host} is ${state}`;
  });
  return `none of its replicas is known to be active (${said.join(', ')})`;
}

/** One that has no port serves nobody by design. */
const isAttached = async (tables: Tables, { id }: RouterRow): Promise<boolean> =>
  (await tables.ports.count({ device_id: id })) > 0;

const unservedMatter = ({ id, name }: RouterRow, why: string): Matter => ({
  ...{ alert: 'router-unserved', object: `router/${id}`, host: '', severity: 'error' },
  message: `Router ${id}${name === '' ? '' : ` (${name})`} is served by nobody: ${why}.`,
});

function inBulk(matters: readonly Matter[]): Matter[] {
  if (matters.length <= MOST_TOLD) return [...matters];
  const [first] = matters as [Matter];
  const rest = matters.length - MOST_TOLD;
  const message = `${rest} more routers are served by nobody, beside those that are told of one by one.`;
  return [...matters.slice(0, MOST_TOLD), { ...first, object: MANY, message }];
}

/** By host: the paths by which nobody answers it. */
function pathsDown(byHost: ReadonlyMap<string, readonly RouterBindingRow[]>): Map<string, readonly Path[]> {
  const isDown = (path: Path) => (row: RouterBindingRow) => row.role_details?.paths[path] === 'down';
  return new Map([...byHost].map(([host, rows]) => [host, PATHS.filter((path) => rows.some(isDown(path)))]));
}

/** By path: who answers the host by the other one only. A host to which nobody answers by that path says so itself. */
function oneSided(
  rows: readonly RouterBindingRow[],
  down: ReadonlyMap<string, readonly Path[]>,
): [Path, string[]][] {
  const peers = rows.flatMap((row) => row.role_details?.peers ?? []);
  return PATHS.flatMap((path): [Path, string[]][] => {
    const silent = peers.filter(({ host, silentBy }) => silentBy === path && !down.get(host)?.includes(path));
    const names = [...new Set(silent.map(({ host }) => host))].sort();
    return names.length === 0 ? [] : [[path, names]];
  });
}

/** By host. */
async function pathMatters(tables: Tables, told: readonly RouterBindingRow[]): Promise<Matter[]> {
  const byHost = Map.groupBy(told, (row) => row.host);
  if (byHost.size === 0) return [];
  const names = [...byHost.keys()];
  const hosts = await tables.hosts.find({ name: names });
  const wiring = await tables.agents.find({ role: 'l2', host: names });
  const deviceOf = new Map(
    wiring.map(({ host, configurations }) => [host, configurations['heartbeat_device']]),
  );
  const allDown = pathsDown(byHost);
  return hosts.flatMap(({ name, management_ip }): Matter[] => {
    const down = allDown.get(name) ?? [];
    const about = {
      alert: 'heartbeat-path',
      object: `host/${name}`,
      host: name,
      severity: 'warning',
    } as const;
    if (down.length > 0) {
      const by = down.join(' and the ');
      return [{ ...about, message: `Nobody answers ${name} by the ${by} network, which heartbeats go by.` }];
    }
    const [silent] = oneSided(byHost.get(name) ?? [], allDown);
    if (silent !== undefined) {
      const [path, peers] = silent;
      const others = peers.join(', ');
      const message = `Heartbeats between ${name} and ${others} have one way only: not the ${path} network.`;
      return [{ ...about, message }];
    }
    const device = deviceOf.get(name);
    if (management_ip !== '' && typeof device === 'string') {
      const message = `Both ways of heartbeats of HA routers on ${name} go over one device, ${device}: with it, both are lost.`;
      return [{ ...about, message }];
    }
    if (management_ip !== '') return [];
    const how = 'give its agent --management-ip';
    return [
      {
        ...about,
        message: `Heartbeats of HA routers on ${name} have one way only, the tunnel network: if that is cut, two become active (${how}).`,
      },
    ];
  });
}

/** Begins and ends alerts, so that those of these kinds are as given. `known`: those that are open as far as the caller knows. */
export async function writeMatters(
  tx: Transaction,
  call: Call,
  {
    begin,
    end,
  }: { readonly begin: readonly Matter[]; readonly end: readonly Pick<Matter, 'alert' | 'object'>[] },
): Promise<EventRow[]> {
  const events: EventRow[] = [];
  for (const matter of begin) events.push(...(await beginAlert(tx, call, matter)));
  for (const [alert, some] of Map.groupBy(end, (one) => one.alert)) {
    const alerts = await openAlerts(
      tx,
      alert,
      some.map((one) => one.object),
    );
    const message = ({ object }: EventRow) => OVER[alert](object);
    events.push(...(await endAlerts(tx, call, { alerts, message })));
  }
  return events;
}

const OVER: Readonly<Record<WatchedAlert, (object: string) => string>> = {
  'router-unserved': (object) =>
    `${object} ${object === MANY ? 'are' : 'is'} served again, or not meant to be.`,
  'heartbeat-path': (object) => `Heartbeats of HA routers on ${object} have both ways again, or need none.`,
};

/** The alerts of these kinds that are open, as `<alert> <object>`. */
export async function openMatters(
  tables: Pick<Tables, 'events'>,
): Promise<Map<string, Pick<Matter, 'alert' | 'object'>>> {
  const found = new Map<string, Pick<Matter, 'alert' | 'object'>>();
  for (const alert of ['router-unserved', 'heartbeat-path'] as const)
    for (const { object } of await openAlerts(tables, alert))
      found.set(matterName({ alert, object }), { alert, object });
  return found;
}

export const matterName = ({ alert, object }: Pick<Matter, 'alert' | 'object'>): string =>
  `${alert} ${object}`;
