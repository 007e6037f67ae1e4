import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ReportException, Role } from '../resources/agent.ts';
import { DEADLINES_MS, deadlinesTimes } from './deadlines.ts';
import { type RoleReport, type SentChange, Tracker } from './tracker.ts';

const everything = () => true;
const newPort = (port: string): string[] => [
  `dhcp/n|lease/${port}`,
  `host/h1|port/${port}`,
  'network/n|endpoint/h1',
];
const sent = (position: number, refs: readonly string[], over: Partial<SentChange> = {}): SentChange => ({
  ...{ host: 'h1', position, refs, sees: everything, ageMs: 0 },
  ...over,
});
const report = (counter: number, over: Partial<RoleReport> = {}): RoleReport => ({
  ...{ host: 'h1', role: 'l2', incarnation: 1, counter, realised: null, exceptions: [] },
  exceptionCount: over.exceptions?.length ?? 0,
  ...over,
});
const missing = (over: Partial<ReportException> = {}): ReportException => ({
  ...{ key: 'network/n', object: '', state: 'failed', since: 1, reason: 'no' },
  ...over,
});

function tracking(roles: readonly Role[] = ['l2', 'dhcp']): Tracker {
  const tracker = new Tracker();
  tracker.attached('h1', roles, 0);
  return tracker;
}
const overdue = (tracker: Tracker, now: number) =>
  tracker.overdue(now).map((one) => `${one.role} ${one.key} ${one.object} ${one.state}`);

test('what was sent is realised by the report that reaches it, and tells how long it took since its commit', () => {
  const tracker = tracking();
  tracker.sent(sent(7, newPort('p'), { ageMs: 20 }), 100);
  assert.deepEqual(tracker.reported(report(1, { realised: 6 }), 110), []);
  assert.deepEqual(tracker.reported(report(2, { realised: 7 }), 130), [
    { position: 7, kind: 'port', ms: 50 },
  ]);
  assert.deepEqual(tracker.reported(report(1, { role: 'dhcp', realised: 9 }), 180), [
    { position: 7, kind: 'lease', ms: 100 },
  ]);
  assert.deepEqual(tracker.reported(report(3, { realised: 7 }), 200), []);
  assert.deepEqual(
    tracker.standing(200).map(({ role, pending, lag, realised }) => [role, pending, lag, realised]),
    [
      ['l2', 0, 0, 7],
      ['dhcp', 0, 0, 9],
    ],
  );
});

test('an agent that reports nothing of what it was sent is behind as a whole', () => {
  const tracker = tracking(['l2']);
  tracker.sent(sent(7, newPort('p')), 0);
  assert.deepEqual(tracker.overdue(DEADLINES_MS.port), []);
  const [late] = tracker.overdue(DEADLINES_MS.port + 1);
  assert.deepEqual(
    [late?.key, late?.object, late?.since, late?.agentIsLagging, late?.forMs],
    ['network/n', 'port/p', 7, true, DEADLINES_MS.port + 1],
  );
  assert.deepEqual(tracker.standing(10)[0]?.kinds.get('port'), { pending: 1, overdue: 0, oldestMs: 10 });
});

test('what fails is overdue from its commit on, by itself', () => {
  const tracker = tracking(['dhcp']);
  tracker.sent(sent(7, newPort('p')), 1_000);
  tracker.sent(sent(8, newPort('q')), 1_000);
  const failing = missing({ object: 'port/p', since: 7, reason: 'bad option' });
  const taken = tracker.reported(report(1, { role: 'dhcp', realised: 8, exceptions: [failing] }), 1_500);
  assert.deepEqual(taken, [{ position: 8, kind: 'lease', ms: 500 }]);
  assert.deepEqual(overdue(tracker, 3_000), []);
  const [late] = tracker.overdue(3_001 + DEADLINES_MS.port - 2_000);
  assert.deepEqual([late?.object, late?.state, late?.reason], ['port/p', 'failed', 'bad option']);
  assert.equal(late?.agentIsLagging, false);
  const repaired = tracker.reported(report(2, { role: 'dhcp', realised: 8 }), 6_000);
  assert.deepEqual(repaired, [{ position: 7, kind: 'lease', ms: 5_000 }]);
  assert.deepEqual(overdue(tracker, 9_000), []);
});

test('what waits for the world is never overdue', () => {
  const tracker = tracking(['l2']);
  tracker.sent(sent(7, newPort('p')), 0);
  const waiting = missing({ object: 'port/p', since: 7, state: 'waiting', reason: 'link tapp is not there' });
  const at = (counter: number, now: number) =>
    tracker.reported(report(counter, { realised: 9, exceptions: [waiting] }), now);
  at(1, 10);
  at(2, 10_000);
  assert.deepEqual(overdue(tracker, 20_000), []);
  assert.deepEqual([tracker.standing(20_000)[0]?.pending, tracker.standing(20_000)[0]?.waiting], [0, 1]);
});

test('a key that has not been tried is stuck once something later is done, and a backlog before that', () => {
  const tracker = tracking(['l2']);
  tracker.sent(sent(7, ['network/a|network/a']), 0);
  tracker.sent(sent(8, ['network/b|network/b']), 0);
  const pending = (key: string, since: number) =>
    missing({ key, since, state: 'pending', reason: 'not done yet' });
  tracker.reported(
    report(1, { realised: 8, exceptions: [pending('network/a', 7), pending('network/b', 8)] }),
    10,
  );
  assert.deepEqual(
    tracker.overdue(4_000).map((one) => one.agentIsLagging),
    [true, true],
  );
  tracker.reported(report(2, { realised: 8, exceptions: [pending('network/a', 7)] }), 4_100);
  assert.deepEqual(
    tracker.overdue(4_200).map((one) => [one.key, one.agentIsLagging]),
    [['network/a', false]],
  );
});

test('an agent that does not report is noticed, and one that is gone is not', () => {
  const tracker = tracking(['l2']);
  assert.deepEqual(overdue(tracker, DEADLINES_MS.report + 1), ['l2   silent']);
  tracker.detached('h1', 20_000);
  assert.deepEqual(overdue(tracker, 40_000), []);
  assert.deepEqual(tracker.standing(40_000), []);
});

test('what has been failing has been so through a change of the watch', () => {
  const tracker = tracking(['l2']);
  const failing = [missing({ since: 0 })];
  tracker.reported(report(1, { realised: 8, exceptions: failing }), 0);
  tracker.detached('h1', 1_000);
  tracker.attached('h1', ['l2'], 2_000);
  tracker.reported(report(2, { realised: 8, exceptions: failing }), 2_100);
  assert.equal(tracker.overdue(4_000)[0]?.forMs, 4_000);
});

test('deadlines are multiplied', () => {
  const tracker = new Tracker(deadlinesTimes(10));
  tracker.attached('h1', ['l2'], 0);
  tracker.sent(sent(7, newPort('p')), 0);
  assert.deepEqual(overdue(tracker, DEADLINES_MS.port * 10), []);
  assert.equal(overdue(tracker, DEADLINES_MS.port * 10 + 1).length, 1);
});

test('an agent that is sent more than is followed owes everything from there on', () => {
  const tracker = tracking(['l2']);
  for (let position = 1; position <= 1_200; position++)
    tracker.sent(sent(position, [`network/${position}|network/${position}`]), 0);
  assert.equal(tracker.standing(0)[0]?.lag, 1_200);
  tracker.reported(report(1, { realised: 1_199 }), 0);
  assert.equal(tracker.standing(0)[0]?.pending, 1);
  tracker.reported(report(2, { realised: 1_200 }), 0);
  assert.equal(tracker.standing(0)[0]?.pending, 0);
});

/** The inputs of some time at one agent: changes of three networks, and the reports of an agent that works them off. */
const history = fc
  .array(fc.record({ net: fc.constantFrom('a', 'b', 'c'), fails: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  })
  .map((changes) => {
    const sends = changes.map(({ net }, at) => sent(at + 1, [`network/${net}|network/${net}`]));
    const reports = changes.map((_, at): RoleReport => {
      const bad = changes
        .slice(0, at + 1)
        .flatMap((one, index) => (one.fails ? [{ ...one, since: index + 1 }] : []));
      const exceptions = [...Map.groupBy(bad, (one) => one.net)].map(([net, of]) =>
        missing({ key: `network/${net}`, since: of[0]?.since ?? 0 }),
      );
      return report(at + 1, { realised: at + 1, exceptions });
    });
    return { sends, reports };
  });

test('order and duplication of what is sent and reported change nothing in the end', () => {
  fc.assert(
    fc.property(history, fc.infiniteStream(fc.nat()), ({ sends, reports }, dice) => {
      const inputs = [...sends, ...reports];
      const end = (order: readonly (SentChange | RoleReport)[]) => {
        const tracker = tracking(['l2']);
        for (const one of order) 'refs' in one ? tracker.sent(one, 1_000) : tracker.reported(one, 1_000);
        const owed = tracker.overdue(10_000).map((one) => [one.key, one.object, one.since, one.state]);
        return { owed: owed.sort(), realised: tracker.standing(10_000)[0]?.realised };
      };
      const shuffled = [...inputs, ...inputs]
        .map((one) => ({ one, at: dice.next().value as number }))
        .sort((a, b) => a.at - b.at)
        .map(({ one }) => one);
      assert.deepEqual(end(shuffled), end(inputs));
    }),
  );
});

test('an agent that said when it will report again is silent only after that, and not for ever', () => {
  const late = (nextMs: number) => {
    const tracker = tracking(['l2']);
    tracker.reported(report(1, { realised: 1, nextMs }), 0);
    return (at: number) => overdue(tracker, at).length > 0;
  };
  const minute = late(60_000);
  assert.deepEqual([minute(60_000), minute(70_001)], [false, true]);
  const base = late(5_000);
  assert.deepEqual([base(DEADLINES_MS.report), base(DEADLINES_MS.report + 1)], [false, true]);
  assert.equal(late(1e12)(400_000), true);
});
