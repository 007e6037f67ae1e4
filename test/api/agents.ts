/** Agents for tests: a host's agent as it is after its process has connected once. */
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { registerAgent } from '../../src/operations/agent.ts';
import { applyReport } from '../../src/operations/agent-report.ts';
import { type NewEvent, record } from '../../src/operations/event.ts';
import { addHost } from '../../src/operations/host.ts';
import type { ReportException, Role } from '../../src/resources/agent.ts';
import type { ReplicaReport } from '../../src/resources/replica-report.ts';
import { SETTINGS, type ApiUnderTest } from './api-under-test.ts';

const call = {
  caller: { projectId: 'admin', userId: 'admin', isAdmin: true },
  clock: realClock,
  random: realRandom,
  settings: SETTINGS,
  isAlive: () => true,
  isEligible: () => true,
};

/** Registers the host if need be, and the agent; gives the agent's id. */
export async function addAgent(
  api: ApiUnderTest,
  { host, role }: { host: string; role: Role },
): Promise<string> {
  const { result } = await api.store.transact(async (tx) => {
    if ((await tx.hosts.count({ name: host })) === 0)
      await addHost(tx, call, { name: host, secret: () => realRandom.uuid() });
    return registerAgent(tx, call, {
      host,
      role,
      incarnation: 1,
      tunnel_ip: '10.255.0.1',
      physical_networks: ['physnet1'],
      configurations: { networks: 0 },
      server_id: 'test',
    });
  });
  return result.id;
}

export interface Told {
  readonly host: string;
  readonly role: Role;
  readonly counter: number;
  /** Up to where it has realised everything else; the head if not given, null for unknown. */
  readonly realised?: number | null;
  readonly exceptions?: readonly ReportException[];
  readonly roles?: readonly ReplicaReport[];
}

/** The agent's report, taken by the server as if it had come from its host. */
export async function report(api: ApiUnderTest, told: Told): Promise<void> {
  const { host, role, counter, exceptions = [] } = told;
  const place = await api.store.view(async (view) => {
    const head = await view.head();
    if (told.realised === undefined || told.realised === null) return told.realised === null ? null : head;
    const [change] = await view.changesFrom(told.realised, 1);
    return change ? { position: change.position, tag: change.tag } : null;
  });
  const body = {
    role,
    incarnation: 1,
    counter,
    exceptions,
    exceptionCount: exceptions.length,
    configurations: {},
    ...(told.roles ? { roles: told.roles } : {}),
  };
  await api.store.transact((tx) => applyReport(tx, call, { host, report: body, place }));
}

let told = Date.UTC(2026, 0, 31, 12);

/** An event, as the server's own duties write them, a second after the one before or at a time given. Gives its id. */
export async function tell(api: ApiUnderTest, event: NewEvent, time?: Date): Promise<string> {
  told += 1_000;
  const at = time ?? new Date(told);
  const clock = { ...realClock, wall: () => at };
  return (await api.store.transact((tx) => record(tx, { ...call, clock }, event))).result.id;
}
