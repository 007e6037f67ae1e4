/** Who is declared dead, when, and when nobody is. */
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { timestamp } from '../lib/clock.ts';
import type { AgentRow } from '../resources/agent.ts';
import { LivenessStage, type StageServer } from './liveness-stage.ts';

let stage: LivenessStage;

async function begin(servers: readonly string[], hosts: readonly string[], detectMs?: number) {
  stage = new LivenessStage(detectMs);
  const opened: StageServer[] = [];
  for (const id of servers) opened.push(await stage.server(id));
  await stage.pass(2_000);
  await stage.hosts(opened[0] as StageServer, hosts);
  await stage.pass(3_000);
  return opened as [StageServer, StageServer, StageServer];
}

afterEach(async () => {
  const failures = stage.servers.flatMap((server) => server.failures);
  await stage.end();
  assert.deepEqual(failures, []);
});

const names = (count: number, prefix = 'h') => Array.from({ length: count }, (_, at) => `${prefix}${at}`);

test('one that falls silent is dead within the detection time and little more, and said so once', async () => {
  const [server] = await begin(['a'], ['h1', 'h2']);
  stage.silence('h1');
  await stage.pass(7_000);
  assert.equal(stage.liveness('h1', 'h2'), 'alive alive');
  assert.equal(server.presence.isAlive(stage.agent('h1')), true);
  assert.equal(server.presence.isEligible(stage.agent('h1')), false, 'nothing new for one that is suspect');
  await stage.pass(4_500);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
  assert.equal(server.presence.isAlive(stage.agent('h1')), false);
  await stage.pass(30_000);
  assert.deepEqual(stage.events(), ['agent-died h1']);
});

test('with two seconds it is found within two and a half', async () => {
  await begin(['a'], ['h1', 'h2'], 2_000);
  stage.silence('h1');
  await stage.pass(1_500);
  assert.equal(stage.liveness('h1'), 'alive');
  await stage.pass(1_000);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
});

test('an agent that is quiet for less is never dead, nor one that moves its connection', async () => {
  const [a, b] = await begin(['a', 'b'], ['h1', 'h2']);
  for (let round = 0; round < 5; round++) {
    stage.silence('h1');
    await stage.pass(7_000);
    stage.hear(a, 'h1');
    a.presence.changed('h2', false);
    stage.silence('h2');
    await stage.pass(6_000);
    await stage.connect(round % 2 === 0 ? b : a, 'h2');
    b.presence.changed('h2', round % 2 === 0);
    await stage.pass(3_000);
    assert.equal(stage.liveness('h1', 'h2'), 'alive alive');
    assert.equal(stage.agent('h1').server_id, 'a');
    assert.equal(stage.agent('h2').server_id, round % 2 === 0 ? 'b' : 'a');
  }
  assert.deepEqual(stage.events(), []);
});

test('the leader finds the deaths of agents that another server holds', async () => {
  const [a, b] = await begin(['a', 'b'], ['h1']);
  await stage.hosts(b, ['h2']);
  assert.equal(a.leader.isLeader, true);
  stage.silence('h2');
  await stage.pass(12_500);
  assert.equal(stage.liveness('h1', 'h2'), 'alive dead');
  await stage.connect(b, 'h2');
  await stage.pass(1_500);
  assert.equal(stage.liveness('h1', 'h2'), 'alive alive');
  assert.deepEqual(stage.events(), ['agent-died h2', 'agent-returned h2']);
});

test('a server that is paused for a minute and goes on declares nobody dead', async () => {
  const [server] = await begin(['a'], names(3));
  server.pause();
  await stage.pass(60_000);
  await server.go();
  await stage.pass(20_000);
  assert.equal(stage.liveness(...names(3)), 'alive alive alive');
  assert.deepEqual(stage.events(), []);
});

test('after a pause agents whose connections broke meanwhile have the whole time to come back', async () => {
  const [server] = await begin(['a'], names(2));
  server.pause();
  stage.silence(...names(2));
  await stage.pass(60_000);
  for (const host of names(2)) server.presence.changed(host, false);
  await server.go();
  await stage.pass(8_000);
  for (const host of names(2)) await stage.connect(server, host);
  await stage.pass(20_000);
  assert.deepEqual(stage.events(), []);
});

test('a leader that was paused over a verdict gives the suspect a new window', async () => {
  const [a, b] = await begin(['a', 'b'], []);
  await stage.hosts(b, ['h1', 'h2']);
  stage.silence('h1');
  await stage.pass(7_000);
  a.pause();
  await stage.pass(5_000);
  await a.go();
  await stage.pass(9_000);
  assert.deepEqual([a.leader.isLeader, stage.liveness('h1')], [true, 'alive']);
  await stage.pass(2_500);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
});

test('a paused server leads no more when it wakes up; its agents, come elsewhere meanwhile, live', async () => {
  const [a, b] = await begin(['a', 'b'], names(6));
  assert.equal(a.leader.isLeader, true);
  a.pause();
  // they find out after their idle time
  await stage.pass(stage.times.idleMs);
  for (const host of names(5)) await stage.connect(b, host);
  stage.silence('h5');
  await stage.pass(60_000);
  assert.equal(b.leader.isLeader, true);
  assert.equal(stage.liveness(...names(6)), 'alive alive alive alive alive dead');
  for (const host of names(6)) a.presence.changed(host, false);
  await a.go();
  await stage.pass(20_000);
  assert.equal(stage.liveness(...names(6)), 'alive alive alive alive alive dead');
  assert.deepEqual(
    names(5).map((host) => stage.agent(host).server_id),
    names(5).map(() => 'b'),
  );
  assert.deepEqual(stage.events(), ['agent-died h5']);
});

test('a server whose database is slow declares nobody dead meanwhile', async () => {
  const [server] = await begin(['a'], ['h1', 'h2', 'h3', 'h4']);
  server.pace.slowness = 3_000;
  await stage.pass(4_000);
  stage.silence('h1');
  await stage.pass(20_000);
  assert.equal(stage.liveness('h1'), 'alive');
  server.pace.slowness = 0;
  await stage.pass(25_000);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
});

test('a verdict that takes long to be written, and is overtaken meanwhile, is none', async () => {
  for (const heardAfterMs of [500, 1_500, 2_500, 3_500, 4_500]) {
    const [server] = await begin(['a'], ['h1', 'h2']);
    stage.silence('h1');
    await stage.pass(9_000);
    // prompt enough each, but there are several
    server.pace.slowness = 1_000;
    await stage.pass(heardAfterMs);
    const isDead = stage.liveness('h1') === 'dead';
    stage.hear(server, 'h1');
    await stage.pass(500);
    server.pace.slowness = 0;
    await stage.pass(10_000);
    assert.deepEqual(stage.events(), isDead ? ['agent-died h1', 'agent-returned h1'] : [], `${heardAfterMs}`);
    await stage.end();
  }
});

test('a verdict that waits long for rows that another transaction holds gives a new window', async () => {
  await begin(['a'], ['h1', 'h2']);
  stage.silence('h1');
  await stage.pass(9_000);
  const release = stage.hold('h1');
  await stage.pass(7_000);
  await release();
  await stage.pass(8_000);
  assert.equal(stage.liveness('h1'), 'alive');
  await stage.pass(4_000);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
});

test('a verdict that waits for rows lets a server that hears the agent write first', async () => {
  const [, b] = await begin(['a', 'b'], ['h1', 'h2']);
  stage.silence('h1');
  await stage.pass(9_500);
  const release = stage.hold('h1');
  await stage.pass(1_500);
  stage.hear(b, 'h1');
  await stage.pass(500);
  await release();
  await stage.pass(20_000);
  assert.deepEqual(stage.events(), []);
  assert.equal(stage.agent('h1').server_id, 'b');
});

test('one that reports is not declared dead, though nobody comes to say that he hears it', async () => {
  await begin(['a'], ['h1', 'h2']);
  stage.silence('h1', 'h2');
  await stage.pass(7_000);
  const reported = { heartbeat_at: timestamp(stage.clock) };
  await stage.memory.transact((tx) => tx.agents.update({ host: 'h1' }, reported));
  await stage.pass(4_500);
  assert.equal(stage.liveness('h1', 'h2'), 'alive dead');
  await stage.pass(4_000);
  assert.equal(stage.liveness('h1', 'h2'), 'dead dead');
});

test('nor one whose report was committed while the verdict waited for its rows', async () => {
  await begin(['a'], ['h1', 'h2']);
  stage.silence('h1');
  await stage.pass(9_500);
  const release = stage.hold('h1');
  await stage.pass(1_000);
  await release({ heartbeat_at: timestamp(stage.clock) });
  await stage.pass(3_000);
  assert.equal(stage.liveness('h1', 'h2'), 'alive alive');
});

test('an agent that has gone to a server which just woke up is not taken from it', async () => {
  const [a, b] = await begin(['a', 'b'], ['h1']);
  b.pause();
  // so long that it seems gone
  await stage.pass(14_100);
  await b.go();
  await stage.connect(b, 'h1');
  // the connection to the first is half open: it is heard there until its silence shows
  assert.equal(a.presence.isHere('h1'), true);
  await stage.pass(1_200);
  assert.equal(stage.agent('h1').server_id, 'b');
});

test('nor is one that left and went there before that server is seen to be awake', async () => {
  const [a, b] = await begin(['a', 'b'], ['h1']);
  b.pause();
  await stage.pass(14_100);
  a.presence.changed('h1', false);
  await stage.connect(b, 'h1');
  await stage.pass(1_200);
  assert.equal(stage.agent('h1').server_id, 'b');
  await b.go();
  await stage.pass(20_000);
  assert.equal(stage.agent('h1').server_id, 'b');
  assert.deepEqual(stage.events(), []);
});

test('a silence that ends while the database takes its time to write it is not written', async () => {
  const [a] = await begin(['a'], ['h1']);
  a.pace.slowness = 400;
  stage.silence('h1');
  const written: (string | undefined)[] = [];
  stage.memory.observe((rows) => {
    for (const row of rows.get('agents')?.values() ?? []) written.push((row as AgentRow).server_id);
  });
  await stage.pass(stage.times.silentMs + 300);
  stage.hear(a, 'h1');
  await stage.pass(3_000);
  assert.ok(!written.includes(''));
  assert.equal(stage.agent('h1').server_id, 'a');
});

test('one that a server takes as it wakes up is not declared dead before its beat is looked at', async () => {
  const [, b] = await begin(['a', 'b'], ['h1'], 3_500);
  b.pause();
  await stage.pass(10_000);
  stage.silence('h1');
  for (let waited = 0; stage.agent('h1').server_id !== ''; waited += 50) {
    assert.ok(waited < 5_000);
    await stage.pass(50);
  }
  // the death is due before the leader's next beat
  await stage.pass(stage.times.declareMs - 150);
  await b.go();
  await stage.connect(b, 'h1');
  await stage.pass(10_000);
  assert.equal(stage.agent('h1').server_id, 'b');
  assert.deepEqual(stage.events(), []);
});

test('silence counts from what was heard last, also where that came to no row', async () => {
  const [a, b] = await begin(['a', 'b'], []);
  await stage.hosts(b, ['h1', 'h2']);
  stage.silence('h1');
  b.presence.changed('h1', false);
  await stage.pass(4_000);
  // a watch for a moment, ended before its registration was through
  a.presence.changed('h1', true);
  a.presence.heard('h1');
  a.presence.changed('h1', false);
  await stage.pass(9_000);
  assert.equal(stage.liveness('h1'), 'alive');
  await stage.pass(2_500);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
});

test('an agent that knocks and gets no answer is heard', async () => {
  const [server] = await begin(['a'], ['h1', 'h2']);
  server.presence.changed('h1', false);
  stage.silence('h1');
  // one watch after another is asked for and given up
  for (let knock = 0; knock < 12; knock++) {
    await stage.pass(4_000);
    server.presence.heard('h1');
  }
  assert.deepEqual([stage.liveness('h1'), stage.events()], ['alive', []]);
  await stage.pass(11_500);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
  server.presence.heard('h1');
  await stage.pass(2_000);
  assert.equal(stage.liveness('h1'), 'alive');
});

test('where a third is silent at once nobody is dead; one alert says so, and its end', async () => {
  const [server] = await begin(['a'], names(9));
  stage.silence('h0', 'h1', 'h2');
  await stage.pass(60_000);
  assert.equal(stage.liveness('h0', 'h1', 'h2'), 'alive alive alive');
  assert.deepEqual(stage.events(), ['alert fleet']);
  assert.deepEqual(server.deaths.masses, ['fleet']);
  stage.hear(server, 'h0');
  await stage.pass(8_000);
  assert.equal(stage.liveness('h1', 'h2'), 'alive alive', 'those that are left get a window of their own');
  await stage.pass(18_000);
  assert.equal(stage.liveness('h0', 'h1', 'h2'), 'alive dead dead');
  assert.deepEqual(stage.events().slice(0, 2), ['alert fleet', 'alert-ended fleet']);
  assert.deepEqual(server.deaths.masses, []);
});

test('a mass silence goes on under the next leader, with no second alert', async () => {
  const [a, b] = await begin(['a', 'b'], []);
  await stage.hosts(b, names(9));
  stage.silence('h0', 'h1', 'h2', 'h3');
  await stage.pass(15_000);
  assert.deepEqual(a.deaths.masses, ['fleet']);
  stage.servers.splice(0, 1);
  await a.stop();
  await stage.pass(40_000);
  assert.equal(b.leader.isLeader, true);
  assert.deepEqual(b.deaths.masses, ['fleet']);
  assert.deepEqual(stage.events(), ['alert fleet']);
  assert.equal(
    stage.liveness(...names(9)),
    names(9)
      .map(() => 'alive')
      .join(' '),
  );
});

test('in a small fleet one or two that die are dead', async () => {
  await begin(['a'], ['h1', 'h2', 'h3']);
  stage.silence('h1', 'h2');
  await stage.pass(12_000);
  assert.equal(stage.liveness('h1', 'h2', 'h3'), 'dead dead alive');
});

test('one whose words come on its old watch is back only if it can open a new one', async () => {
  const [server] = await begin(['a'], ['h1', 'h2']);
  for (const host of ['h1', 'h2']) stage.silence(host);
  await stage.pass(5_500);
  stage.hear(server, 'h2');
  await stage.pass(6_500);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
  stage.deaf.add('h1');
  stage.hear(server, 'h1');
  await stage.pass(20_000);
  assert.equal(stage.liveness('h1', 'h2'), 'dead alive');
  assert.equal(server.presence.isHere('h1'), false);
  stage.deaf.delete('h1');
  await stage.connect(server, 'h1');
  await stage.pass(1_500);
  assert.equal(stage.liveness('h1', 'h2'), 'alive alive');
  assert.deepEqual(stage.events(), ['agent-died h1', 'agent-returned h1']);
});

test('one that dies again and again is alive at once when it is back, but gets nothing new for longer', async () => {
  const [server] = await begin(['a'], ['h1', 'h2']);
  const fall = async () => {
    stage.silence('h1');
    await stage.pass(12_000);
    assert.equal(stage.liveness('h1'), 'dead');
    stage.hear(server, 'h1');
    await stage.pass(1_500);
    return server.presence.isEligible(stage.agent('h1'));
  };
  assert.equal(await fall(), true);
  assert.equal(await fall(), false);
  assert.equal(server.presence.isAlive(stage.agent('h1')), true);
  await stage.pass(27_000);
  assert.equal(stage.liveness('h1'), 'held');
  await stage.pass(4_000);
  assert.equal(server.presence.isEligible(stage.agent('h1')), true);
  assert.equal(await fall(), false);
  await stage.pass(50_000);
  assert.equal(stage.liveness('h1'), 'held', 'twice as long now');
  await stage.pass(12_000);
  assert.equal(stage.liveness('h1'), 'alive');
  assert.equal(stage.agent('h1').deaths, 3);
  await stage.pass(602_000);
  assert.equal(stage.agent('h1').deaths, 2);
});

test('agents of a server that is gone have time to come elsewhere; who does not is dead', async () => {
  const [a, b] = await begin(['a', 'b'], []);
  await stage.hosts(b, ['h1', 'h2', 'h3']);
  stage.servers.splice(1, 1);
  // as a crash: nothing is said, its beat stands still
  b.pause();
  stage.silence('h1', 'h2', 'h3');
  await stage.pass(stage.times.idleMs + 2_000);
  await stage.connect(a, 'h1');
  await stage.connect(a, 'h2');
  await stage.pass(8_000);
  assert.equal(stage.liveness('h1', 'h2', 'h3'), 'alive alive alive');
  await stage.pass(stage.times.orphanMs - stage.times.idleMs - 8_000);
  assert.equal(stage.liveness('h1', 'h2', 'h3'), 'alive alive dead');
  await b.stop();
});

test('one that is heard by a server though its row says otherwise is claimed again', async () => {
  const [a] = await begin(['a', 'b'], ['h1']);
  await stage.memory.transact((tx) => tx.agents.update({ host: 'h1' }, { server_id: '' }));
  await stage.pass(2_000);
  assert.equal(stage.agent('h1').server_id, 'a');
  // a row that claims a watch that is not there
  await stage.memory.transact((tx) => tx.hosts.insert([{ ...stage.memory.rows('hosts')[0]!, name: 'h9' }]));
  await stage.memory.transact((tx) =>
    tx.agents.insert([{ ...stage.agent('h1'), id: stage.random.uuid(), host: 'h9' }]),
  );
  await stage.pass(80_000);
  assert.equal(stage.liveness('h1', 'h9'), 'alive dead');
  assert.equal(a.presence.isAlive(stage.agent('h9')), false);
});

test('a silence that was told, and that the row has forgotten since, is told again', async () => {
  const [a] = await begin(['a', 'b'], ['h1', 'h2']);
  stage.silence('h2');
  await stage.pass(stage.times.silentMs + 1_000);
  assert.equal(stage.agent('h2').server_id, '');
  a.presence.changed('h2', false);
  // as after a promotion that lost it
  await stage.memory.transact((tx) => tx.agents.update({ host: 'h2' }, { server_id: 'a' }));
  await stage.pass(80_000);
  assert.equal(stage.liveness('h1', 'h2'), 'alive dead');
});
