/** An HA router and what its agents say, for tests of this room and the background. */
import type { AgentRow } from '../resources/agent.ts';
import type { ReplicaReport } from '../resources/replica-report.ts';
import { applyReport, takeRoles } from './agent-report.ts';
import { createRouter } from './router.ts';
import { arbitrate } from './router-orders.ts';
import { bench } from './testing.ts';

const ROLES = ['l2', 'l3'] as const;

/** An HA router with a replica on each of three hosts, whose agents say what they are told to. */
export async function roleStage() {
  const b = bench();
  const agents = new Map<string, AgentRow>();
  for (const name of ['h1', 'h2', 'h3']) agents.set(name, (await b.host(name, [], ROLES)).l3);
  const router = (await b.run((tx) => createRouter(tx, b.call, [{ ha: true }])))[0]!;
  let counter = 0;
  const said = new Map<string, ReplicaReport>();
  const report = async (host: string, changes: Partial<ReplicaReport> & { incarnation?: number } = {}) => {
    const { incarnation = 1, ...more } = changes;
    const before = said.get(host);
    const first: ReplicaReport = {
      ...{ router: router.id, state: 'standby', seq: 0, forMs: 0, penalty: 0, reasons: [], hears: false },
      ...{ paths: { tunnel: 'up', management: 'up' }, checks: [], order: null },
    };
    const isChange = more.state !== undefined && more.state !== (before ?? first).state;
    const seq = (before?.seq ?? 0) + Number(isChange);
    const it = { ...first, ...before, seq, ...more };
    said.set(host, it);
    counter += 1;
    const body = {
      role: 'l3' as const,
      incarnation,
      counter,
      exceptions: [],
      exceptionCount: 0,
      configurations: {},
    };
    const told = { host, report: { ...body, roles: [it] } };
    const roles = await b.run((tx) => takeRoles(tx, b.call, told));
    const hasRoles = roles !== undefined;
    const outcome = await b.run((tx) =>
      applyReport(tx, b.call, { ...told, place: b.store.head(), hasRoles }),
    );
    const { events = [], disputes = [] } = roles ?? {};
    return {
      ...outcome,
      ...(events.length > 0 ? { events } : {}),
      ...(disputes.length > 0 ? { disputes } : {}),
    };
  };
  const row = (host: string) => b.store.rows('routerBindings').find((one) => one.host === host)!;
  const orders = () =>
    Object.fromEntries(
      b.store.rows('routerBindings').flatMap(({ host, order }) => (order ? [[host, order.do]] : [])),
    );
  /** The host's agent says that it knows what it was told. */
  const answer = (host: string) => report(host, { order: row(host).order?.epoch ?? null });
  const settle = () => b.run((tx) => arbitrate(tx, b.call, { routerId: router.id }));
  const alerts = () =>
    b.store
      .rows('events')
      .filter(({ kind }) => kind === 'alert' || kind === 'alert-ended')
      .sort((one, other) => (one.kind < other.kind ? -1 : 1))
      .map((event) => `${event.kind} ${event.data['alert']}`);
  return { ...b, router, agents, report, row, orders, answer, settle, alerts };
}
