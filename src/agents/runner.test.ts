import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settle, VirtualClock } from '../../test/support/virtual-clock.ts';
import { FakeHost } from '../host/fake/fake-host.ts';
import { seededRandom } from '../lib/random.ts';
import { CONVERGED, type Outcome } from '../reconcile/controller.ts';
import { Journal } from '../watch/journal.ts';
import type { ReplicaReport } from '../resources/replica-report.ts';
import type { Frame, Report, ReportAnswer, WatchRequest } from '../watch/protocol.ts';
import type { Transport } from '../watch/transport.ts';
import type { RoleAgent, RoleTools } from './role.ts';
import { AgentRunner, type Audit } from './runner.ts';

const PLACE = { position: 1, tag: 1 };
const REPLICA: ReplicaReport = {
  ...{
    router: 'r',
    state: 'standby',
    seq: 1,
    forMs: 0,
    penalty: 0,
    reasons: [],
    hears: true,
    checks: [],
    order: null,
  },
  paths: { tunnel: 'up', management: 'up' },
};
const STORAGE = { read: async () => null, append: async () => undefined, replace: async () => undefined };

/** A server with nothing to tell, which knows `life` as the agent's last. */
function serverThatKnows(life: number) {
  const seen = {
    ...{ life, watches: [] as WatchRequest[], accepted: [] as Report[] },
    tell: (_frame: Frame): void => undefined,
  };
  const transport: Transport = {
    servers: 1,
    connect(_server, request, { onFrame }) {
      seen.watches.push(request);
      seen.tell = onFrame;
      queueMicrotask(() => {
        onFrame({ type: 'hello', version: 1, server: 's', mode: 'groups', idleMs: 60_000 });
        onFrame({ type: 'synced', at: PLACE, scope: [], sent: [] });
      });
      return () => undefined;
    },
    async report(_server, report): Promise<ReportAnswer> {
      if (report.incarnation < seen.life) return { accepted: false, incarnation: seen.life };
      seen.life = report.incarnation;
      seen.accepted.push(report);
      return { accepted: true };
    },
  };
  return { seen, transport };
}

function roleOf(reconcile: (key: string) => Outcome): RoleAgent {
  return {
    role: 'l2',
    keysOf: () => [],
    keysOfHostEvent: () => [],
    allKeys: async () => ['network/a'],
    observeAll: async () => undefined,
    reconcile: async (key) => reconcile(key),
    configurations: () => ({}),
  };
}

async function run(
  transport: Transport,
  given: {
    incarnation?: number;
    role?: RoleAgent;
    onAudit?: (audit: Audit) => void;
    onIncarnation?: (n: number) => void;
  },
) {
  const clock = new VirtualClock();
  const stop = new AbortController();
  const { role = roleOf(() => CONVERGED), incarnation = 5, ...more } = given;
  const runner = new AgentRunner({
    ...{ host: new FakeHost(), transport, journal: await Journal.open(STORAGE, 'h1'), roles: [role] },
    ...{
      clock,
      random: seededRandom(1),
      incarnation,
      tunnelIp: '',
      physicalNetworks: [],
      configurations: {},
    },
    ...{ concurrency: 1, keyTimeoutMs: 60_000, reportIntervalMs: 1_000, auditMs: 10_000 },
    onStall: () => assert.fail('no key stalls'),
    onFailure: (what, error) => assert.fail(`${what}: ${error}`),
    ...more,
  });
  const running = runner.run(stop.signal);
  await clock.advance(500);
  return {
    clock,
    async end() {
      stop.abort();
      await clock.advance(0);
      await running;
    },
  };
}

test('an agent whose number is behind that of an earlier life goes on above it', async () => {
  const { seen, transport } = serverThatKnows(1_000);
  const kept: number[] = [];
  const { clock, end } = await run(transport, { onIncarnation: (number) => kept.push(number) });
  await clock.advance(3_000);
  await end();
  assert.deepEqual(kept, [1_001]);
  assert.equal(seen.accepted.at(-1)?.incarnation, 1_001);
  assert.equal(seen.watches.at(-1)?.incarnation, 1_001, 'it registers anew, by a watch of its own');
});

test('a life that was heard does not outbid a later one', async () => {
  const { seen, transport } = serverThatKnows(1);
  const kept: number[] = [];
  const { clock, end } = await run(transport, { onIncarnation: (number) => kept.push(number) });
  assert.equal(seen.life, 5);
  seen.life = 6;
  await clock.advance(5_000);
  await end();
  assert.deepEqual([kept, seen.life], [[], 6]);
});

test('audits come less often while nothing drifts, and more often once something did', async () => {
  const { transport } = serverThatKnows(1);
  const audits: Audit[] = [];
  let drifts = 0;
  const role = roleOf(() => (drifts-- > 0 ? { shortfalls: [], repaired: true } : CONVERGED));
  const { clock, end } = await run(transport, { role, onAudit: (audit) => audits.push(audit) });
  const untilAudit = async (count: number) => {
    while (audits.length < count) {
      await clock.advance(1_000);
      await settle();
    }
  };
  await untilAudit(4);
  drifts = 1;
  await untilAudit(5);
  await end();
  assert.deepEqual(
    audits.map(({ nextMs }) => nextMs),
    [20_000, 40_000, 80_000, 80_000, 40_000],
  );
  assert.deepEqual(audits.at(-1)?.drifted, ['l2 network/a']);
});

test('a report that says nothing new is repeated ever more seldom; a new one goes at once', async () => {
  const { seen, transport } = serverThatKnows(1);
  const role = { ...roleOf(() => CONVERGED), allKeys: async () => [] };
  const { clock, end } = await run(transport, { role });
  const times: number[] = [];
  for (let known = seen.accepted.length; clock.now() < 45_000; known = seen.accepted.length) {
    await clock.advance(500);
    if (seen.accepted.length > known) times.push(clock.now());
  }
  const pauses = times.slice(1).map((at, before) => at - (times[before] as number));
  assert.deepEqual(pauses, [2_000, 4_000, 8_000, 12_000, 12_000]);
  const to = { position: 2, tag: 2 };
  seen.tell({ type: 'batch', from: PLACE, to, enter: {}, leave: [], changes: {} });
  await clock.advance(500);
  assert.deepEqual(seen.accepted.at(-1)?.realised, to);
  await end();
});

test('what was looked at and is as it was is no report; what is new is, and so is what may not have arrived', async () => {
  const { seen, transport } = serverThatKnows(1);
  let tools: RoleTools | undefined;
  let floating = 1;
  const role: RoleAgent = {
    ...roleOf(() => CONVERGED),
    configurations: () => ({ floating }),
    run: async (given) => {
      tools = given;
    },
  };
  let isReached = true;
  const lossy: Transport = {
    ...transport,
    report: async (server, report) => {
      const answer = await transport.report(server, report);
      if (!isReached) throw new Error('the answer was lost');
      return answer;
    },
  };
  const { clock, end } = await run(lossy, { role });
  const reportsWith = async (ips: number) => {
    const before = seen.accepted.length;
    floating = ips;
    tools?.mark('network/a');
    await clock.advance(50);
    return seen.accepted.slice(before).map(({ configurations }) => configurations['floating']);
  };
  assert.deepEqual(await reportsWith(1), []);
  assert.deepEqual(await reportsWith(2), [2]);
  isReached = false;
  assert.deepEqual(await reportsWith(3), [3]);
  isReached = true;
  floating = 2;
  await clock.advance(500);
  assert.deepEqual(seen.accepted.at(-1)?.configurations['floating'], 2, 'the server may have taken the 3');
  await end();
});

test('another role of a router does not wait for the answer to the report before it', async () => {
  const { transport } = serverThatKnows(1);
  let tools: RoleTools | undefined;
  let roles: readonly ReplicaReport[] = [];
  const role: RoleAgent = {
    ...roleOf(() => CONVERGED),
    ...{ role: 'l3', allKeys: async () => [], roles: () => roles },
    run: async (given) => {
      tools = given;
    },
  };
  const sent: string[] = [];
  const answers: ((answer: ReportAnswer) => void)[] = [];
  let isSlow = false;
  const slow: Transport = {
    ...transport,
    report: (server, report) => {
      if (!isSlow) return transport.report(server, report);
      sent.push(report.roles?.map(({ state, penalty }) => `${state} ${penalty}`).join() ?? '');
      return new Promise((resolve) => answers.push(resolve));
    },
  };
  const { clock, end } = await run(slow, { role });
  isSlow = true;
  const says = async (state: ReplicaReport['state'], seq: number, penalty: number) => {
    roles = [{ ...REPLICA, state, seq, penalty }];
    tools?.report();
    await clock.advance(20);
  };
  await says('standby', 1, 10);
  await says('standby', 1, 20);
  assert.deepEqual(sent, ['standby 10'], 'how well it is waits for the answer');
  await says('active', 2, 20);
  assert.deepEqual(sent, ['standby 10', 'active 20'], 'who is active does not');
  await says('standby', 3, 20);
  await says('active', 4, 20);
  assert.equal(sent.length, 4);
  await says('standby', 5, 20);
  assert.equal(sent.length, 4, 'four at once are enough');
  for (const [at, answer] of answers.entries()) answer({ accepted: at === 3 });
  await clock.advance(20);
  assert.deepEqual(sent.slice(4), ['standby 20'], 'and what came meanwhile follows');
  await end();
});

test('a report to a server that stands still is given up with its watch, and goes to the next server', async () => {
  const { seen, transport } = serverThatKnows(1);
  let silent: number | undefined;
  let endWatch = (): void => undefined;
  const two: Transport = {
    servers: 2,
    connect(server, request, listener) {
      silent ??= server;
      if (server === silent) endWatch = () => listener.onEnd({ reason: 'nothing heard' });
      return transport.connect(server, request, listener);
    },
    report: (server, report, signal) => {
      if (server !== silent) return transport.report(server, report);
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new Error('given up')), { once: true });
      });
    },
  };
  const { clock, end } = await run(two, { role: { ...roleOf(() => CONVERGED), allKeys: async () => [] } });
  await clock.advance(3_000);
  assert.equal(seen.accepted.length, 0);
  endWatch();
  await clock.advance(1_000);
  await end();
  assert.notEqual(seen.accepted.length, 0);
});

test('how well a replica is waits for a moment, in which it may become another', async () => {
  const { seen, transport } = serverThatKnows(1);
  let tools: RoleTools | undefined;
  let roles: readonly ReplicaReport[] = [REPLICA];
  const role: RoleAgent = {
    ...roleOf(() => CONVERGED),
    ...{ role: 'l3', allKeys: async () => [], roles: () => roles },
    run: async (given) => {
      tools = given;
    },
  };
  const { clock, end } = await run(transport, { role });
  const says = async (changes: Partial<ReplicaReport>, ms: number) => {
    const before = seen.accepted.length;
    roles = roles.map((one) => ({ ...one, ...changes }));
    tools?.report();
    await clock.advance(ms);
    return seen.accepted.slice(before).map((report) => report.roles?.[0]?.penalty);
  };
  await clock.advance(1_000);
  assert.deepEqual(await says({ penalty: 10 }, 90), []);
  assert.deepEqual(await says({ penalty: 20 }, 20), [20]);
  assert.deepEqual(await says({ penalty: 30 }, 50), []);
  assert.deepEqual(await says({ state: 'active', seq: 2 }, 1), [30], 'with the role it goes at once');
  assert.deepEqual(await says({}, 500), []);
  await end();
});

test('what a role lets wait is not said to be realised meanwhile', async () => {
  const { seen, transport } = serverThatKnows(1);
  const at: number[] = [];
  const role: RoleAgent = {
    ...roleOf(() => CONVERGED),
    allKeys: async () => [],
    keysOf: ({ group }) => [group],
    patienceMs: ({ key }) => (key === 'subnet/s' ? 100 : 0),
    reconcile: async () => {
      at.push(clock.now());
      return CONVERGED;
    },
  };
  const { clock, end } = await run(transport, { role });
  const to = { position: 2, tag: 2 };
  const group = 'network/a';
  const change = { id: 's', network_id: 'a' } as never;
  const from = clock.now();
  seen.tell({ type: 'batch', from: PLACE, to, enter: { [group]: {} }, leave: [], changes: {} });
  seen.tell({
    ...{ type: 'batch', from: to, to: { position: 3, tag: 3 }, enter: {}, leave: [] },
    changes: { [group]: { 'subnet/s': change } },
  });
  await clock.advance(99);
  assert.deepEqual(at, []);
  assert.ok(
    seen.accepted.every(({ realised, exceptions }) => (realised?.position ?? 0) < 3 || exceptions.length > 0),
  );
  await clock.advance(401);
  assert.deepEqual(at, [from + 100]);
  assert.deepEqual([seen.accepted.at(-1)?.realised?.position, seen.accepted.at(-1)?.exceptions], [3, []]);
  await end();
});
