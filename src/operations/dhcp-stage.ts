/** Moves of DHCP for tests: a world of three hosts, what the background does, what agents report. */
import type { AgentRow, ReportException } from '../resources/agent.ts';
import { applyReport } from './agent-report.ts';
import { finishMoves, ripeNetworks } from './dhcp-handover.ts';
import { beginMoves } from './dhcp-moves.ts';
import { planReschedule, type RescheduleOrder } from './dhcp-reschedule.ts';
import { type Bench, bench } from './testing.ts';

export const ORDER: RescheduleOrder = { all: true, ports: false, most: 1_000, budget: 300, even: 0 };

/** Hosts h1 to h3 and a network that h1 serves. */
export async function world(settings: Parameters<typeof bench>[0] = {}) {
  const b = bench({ dhcpAgentsPerNetwork: 1, flatNetworks: ['*'], ...settings });
  const h1 = await b.host('h1');
  const network = await b.network();
  const subnet = await b.subnet(network.id, '10.0.0.0/24');
  const [h2, h3] = [await b.host('h2'), await b.host('h3')];
  return { ...b, h1, h2, h3, net: network, sub: subnet };
}

export const look = (b: Bench, changes: Partial<RescheduleOrder> = {}) =>
  b.run(async (tx) => {
    const { moves } = await planReschedule(tx, b.call, { ...ORDER, ...changes });
    const { added, leaving, kept } = await beginMoves(tx, b.call, moves);
    return { added, leaving, kept };
  });

export const finish = async (b: Bench) => {
  const ripe = await b.store.view((view) => ripeNetworks(view, b.call));
  return (await b.run((tx) => finishMoves(tx, b.call, ripe))).gone;
};

let counter = 0;
/** A report of the agent that it has realised everything but these. */
export async function reports(b: Bench, agent: AgentRow, exceptions: ReportException[] = []): Promise<void> {
  const place = await b.store.view((view) => view.head());
  const report = {
    ...{ role: agent.role, incarnation: 1, counter: ++counter, exceptions },
    ...{ exceptionCount: exceptions.length, configurations: {} },
  };
  await b.run((tx) => applyReport(tx, b.call, { host: agent.host, report, place }));
}

export async function allReport(b: Bench, ...hosts: { l2: AgentRow; dhcp: AgentRow }[]): Promise<void> {
  for (const { l2, dhcp } of hosts) {
    await reports(b, l2);
    await reports(b, dhcp);
  }
}

/** Who has the network and whether they leave it, and where its DHCP ports are. */
export const bindings = (b: Bench) =>
  b.store
    .rows('dhcpBindings')
    .map((one) => `${one.host}${one.leaving ? ' leaves' : ''}`)
    .sort();
export const dhcpPorts = (b: Bench) =>
  b.store.rows('ports').filter((port) => port.device_owner === 'network:dhcp');
export const portHosts = (b: Bench) =>
  dhcpPorts(b)
    .map((port) => port.host)
    .sort();
export const kinds = (b: Bench) => b.store.rows('events').map((event) => event.kind);
