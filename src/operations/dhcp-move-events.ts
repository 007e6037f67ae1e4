/** What moves write down: one event a batch and agent, not one a network; ids and counts are in its data. */
import type { AgentRow } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { Transaction } from '../store/store.ts';
import type { MoveReason, Step } from './dhcp-moves.ts';
import { type NewEvent, record } from './event.ts';
import type { Call } from './operation.ts';

/** So many ids are listed; the count is of all. */
const MOST_LISTED = 1_000;

const WHY: Readonly<Record<MoveReason, string>> = {
  dead: 'is dead',
  off: 'is switched off',
  short: 'is dead',
  uneven: 'has many more than others',
  stuck: 'does not get it served',
};

const plural = (count: number) => (count === 1 ? '1 network' : `${count} networks`);

/** The event about these networks of one agent; about one network, that is its object, for whoever asks about it. */
export function aboutNetworks(
  agent: Pick<AgentRow, 'id' | 'host'>,
  networks: readonly string[],
  event: Pick<NewEvent, 'kind' | 'severity'> & {
    readonly say: (networks: string) => string;
    readonly data?: Readonly<Record<string, unknown>>;
  },
): NewEvent {
  const { kind, severity, say, data = {} } = event;
  return {
    ...{ kind, severity, host: agent.host, role: 'dhcp', message: say(plural(networks.length)) },
    object: networks.length === 1 ? `network/${networks[0]}` : '',
    data: {
      agent_id: agent.id,
      count: networks.length,
      networks: networks.slice(0, MOST_LISTED),
      ...data,
    },
  };
}

const countsOf = (hosts: readonly string[]) =>
  Object.fromEntries([...Map.groupBy(hosts, (host) => host)].sort().map(([host, all]) => [host, all.length]));

/** Writes down what has begun: by source, else by target. */
export async function recordBegun(tx: Transaction, call: Call, steps: readonly Step[]): Promise<EventRow[]> {
  const written: EventRow[] = [];
  const group = (agentsOf: (step: Step) => readonly AgentRow[]) =>
    Map.groupBy(
      steps.flatMap((step) => agentsOf(step).map((agent) => ({ agent, step }))),
      ({ agent }) => agent.id,
    ).values();
  const idsOf = (own: readonly { step: Step }[]) => own.map(({ step }) => step.network.id);
  for (const own of group((step) => step.leave)) {
    const [{ agent, step }] = own as [(typeof own)[number]];
    const targets = countsOf(own.flatMap((one) => one.step.add.map((target) => target.host)));
    const to = Object.keys(targets).join(', ') || 'those that serve it as well';
    const event = aboutNetworks(agent, idsOf(own), {
      ...{ kind: 'move-begun', severity: step.why === 'uneven' ? 'info' : 'warning' },
      say: (networks) => `DHCP of ${networks} moves from ${agent.host}, which ${WHY[step.why]}, to ${to}.`,
      data: { why: step.why, targets },
    });
    written.push(await record(tx, call, event));
  }
  for (const own of group((step) => (step.leave.length === 0 ? step.add : []))) {
    const [{ agent }] = own as [(typeof own)[number]];
    const event = aboutNetworks(agent, idsOf(own), {
      ...{ kind: 'move-begun', severity: 'info' },
      say: (networks) => `DHCP of ${networks} with too few agents is given to ${agent.host}.`,
      data: { why: 'short', targets: { [agent.host]: own.length } },
    });
    written.push(await record(tx, call, event));
  }
  for (const own of group((step) => step.stay)) {
    const [{ agent }] = own as [(typeof own)[number]];
    const event = aboutNetworks(agent, idsOf(own), {
      ...{ kind: 'move-done', severity: 'info' },
      say: (networks) => `DHCP of ${networks} stays on ${agent.host}: nobody else is there to serve.`,
      data: { why: 'short', targets: {} },
    });
    written.push(await record(tx, call, event));
  }
  return written;
}
