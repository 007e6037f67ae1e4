import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FenceRules } from '../arbitration/fencing.ts';
import type { Clock } from '../lib/clock.ts';
import { roleStage } from '../operations/router-stage.ts';
import { type FenceDevices, fencingDuty, type PowerAnswer } from './fencing.ts';
import { routerDuty } from './routers.ts';

const RULES: FenceRules = { afterMs: 30_000, windowMs: 600_000, endsMachines: false };

/** The power of hosts, as their devices have it. */
class Devices implements FenceDevices {
  readonly power = new Map<string, PowerAnswer['power']>();
  readonly acts: string[] = [];
  names: readonly string[] = ['h2', 'h3'];
  /** Told to switch off they do not. */
  isStuck = false;
  /** Before each act. */
  before: (act: string) => Promise<unknown> = async () => undefined;

  async hosts(): Promise<ReadonlySet<string>> {
    return new Set(this.names);
  }

  async act(host: string, action: 'status' | 'off'): Promise<PowerAnswer> {
    await this.before(`${action} ${host}`);
    this.acts.push(`${action} ${host}`);
    if (action === 'off' && !this.isStuck) this.power.set(host, 'off');
    return { power: this.power.get(host) ?? 'on', text: 'as ever' };
  }
}

/** An HA router on h1 (active), h2 and h3, and servers that lead or do not. */
async function stage(rules: Partial<FenceRules> = {}) {
  const s = await roleStage();
  const devices = new Devices();
  const said: string[] = [];
  let leading = 's1';
  const stale = new Set<string>();
  const clock: Clock = {
    ...s.call.clock,
    after: (ms, fire) => {
      s.pass(ms);
      queueMicrotask(fire);
      return () => undefined;
    },
  };
  const living = new Set(['server', 's1', 's2']);
  const server = (serverId: string) =>
    fencingDuty({
      ...{ store: s.store, call: () => s.call, clock, serverId, devices },
      leader: {
        get isLeader() {
          return leading === serverId || stale.has(serverId);
        },
        get term() {
          return leading === serverId || stale.has(serverId) ? 1 : 0;
        },
        guard: () => (leading === serverId ? Promise.resolve() : Promise.reject(new Error('another leads'))),
      },
      isHeard: (id) => living.has(id),
      promptSince: () => 0,
      ownHost: 'h1',
      rules: { ...RULES, ...rules },
      onEvent: ({ kind, host, data }) =>
        said.push(`${kind} ${host} ${data['step'] ?? data['refusal'] ?? data['alert']}`),
    });
  const [one, two] = [server('s1'), server('s2')];
  const die = (host: string) =>
    s.run((tx) => tx.agents.update({ host }, { liveness: 'dead', server_id: '' }));
  const live = (host: string) =>
    s.run((tx) => tx.agents.update({ host }, { liveness: 'alive', server_id: 'server' }));
  const word = (host: string, silent: readonly string[]) =>
    s.report(host, {
      peers: ['h1', 'h2', 'h3']
        .filter((other) => other !== host)
        .map((other) => ({ host: other, answers: !silent.includes(other) })),
    });
  /** Its agent and its kernel are silent. */
  const lose = async (host: string) => {
    await die(host);
    for (const other of ['h1', 'h2', 'h3']) if (other !== host) await word(other, [host]);
  };
  const look = async (seconds = 0, duty = one) => {
    s.pass(seconds * 1000);
    await duty.perform();
  };
  const row = (host: string) => s.store.rows('fencings').find((it) => it.host === host);
  for (const host of ['h1', 'h2', 'h3']) await word(host, []);
  await look();
  await two.perform();
  const lead = (id: string) => {
    leading = id;
  };
  return { ...s, stale, devices, said, look, one, two, die, live, lose, word, row, lead, living };
}

test('a host that two witnesses take for gone is switched off once, and that is verified', async () => {
  const s = await stage();
  await s.lose('h3');
  await s.look();
  await s.look(29);
  assert.deepEqual(s.devices.acts, []);
  await s.look(1);
  assert.deepEqual(s.devices.acts, ['status h3', 'off h3', 'status h3']);
  assert.equal(s.row('h3')?.state, 'off');
  await s.look(3600);
  assert.equal(s.devices.acts.length, 3, 'it is off');
  assert.deepEqual(s.said, [...['begun', 'status', 'off-told', 'off'].map((step) => `fencing h3 ${step}`)]);
  await s.live('h3');
  await s.word('h1', []);
  await s.look();
  assert.equal(s.said.at(-1), 'fencing h3 over');
  await s.lose('h3');
  s.devices.power.set('h3', 'on');
  await s.look();
  await s.look(30);
  assert.equal(s.devices.acts.length, 6, 'it died again');
});

test('without a device, without witnesses, or with only one of the two, nothing is done', async () => {
  const s = await stage();
  s.devices.names = ['h2'];
  await s.lose('h3');
  for (let n = 0; n < 3; n++) await s.look(60);
  assert.deepEqual([s.devices.acts, s.said], [[], []], 'not asked for');
  s.devices.names = ['h2', 'h3'];
  await s.word('h2', []);
  for (let n = 0; n < 3; n++) await s.look(60);
  assert.deepEqual(s.said, ['alert h3 reached'], 'h2 reaches it');
  for (const host of ['h1', 'h2']) await s.report(host, { incarnation: 1, peers: [] });
  await s.look(60);
  assert.deepEqual(s.said.slice(1), ['alert-ended h3 fencing-refused', 'alert h3 unwitnessed']);
  await s.live('h3');
  await s.word('h1', ['h3']);
  await s.look(60);
  await s.look(60);
  assert.equal(s.said.at(-1), 'alert-ended h3 fencing-refused', 'the servers hear it');
  assert.deepEqual(s.devices.acts, []);
});

test('the word of a host whose agent is gone, or of an earlier life of it, counts for nothing', async () => {
  const s = await stage();
  await s.lose('h3');
  await s.word('h2', []);
  await s.run((tx) => tx.agents.update({ host: 'h2', role: 'l3' }, { incarnation: 2 }));
  await s.look();
  await s.look(30);
  assert.deepEqual(s.devices.acts[0], 'status h3', 'what h2 says is not from now');
});

test('never more than a third, nor a host of machines, nor one that is drained', async () => {
  const s = await stage();
  await s.lose('h3');
  await s.die('h2');
  await s.look();
  await s.look(30);
  assert.deepEqual(s.said, ['alert h2 many', 'alert h3 many']);
  await s.live('h2');
  await s.word('h2', ['h3']);
  await s.word('h1', ['h3']);
  const network = await s.network();
  const port = {
    ...s.store.rows('ports')[0]!,
    host: 'h3',
    device_owner: 'compute:nova',
    network_id: network.id,
  };
  const mac = { mac_address: 'fa:16:3e:ff:ff:01', fixed_ips: [] };
  await s.run((tx) => tx.ports.insert([{ ...port, ...mac, id: s.call.random.uuid() }]));
  await s.look(30);
  assert.equal(s.said.includes('alert h3 machines'), true);
  await s.run((tx) =>
    tx.ports.update({ host: 'h3', device_owner: 'compute:nova' }, { device_owner: 'network:dhcp' }),
  );
  await s.run((tx) => tx.agents.update({ host: 'h3', role: 'l3' }, { admin_state_up: false }));
  await s.look(30);
  assert.equal(s.said.at(-1), 'alert-ended h3 fencing-refused');
  assert.deepEqual(s.devices.acts, []);
  await s.run((tx) => tx.agents.update({ host: 'h3', role: 'l3' }, { admin_state_up: true }));
  await s.look(30);
  assert.equal(s.devices.acts.length, 3);
});

test('one action in a window, on whatever server, each timing it by itself', async () => {
  const s = await stage();
  for (const name of ['h4', 'h5', 'h6']) await s.host(name, [], ['l2', 'l3']);
  await s.lose('h3');
  await s.look();
  await s.look(30);
  assert.equal(s.row('h3')?.number, 1);
  await s.die('h2');
  await s.report('h1', { peers: ['h2', 'h3'].map((host) => ({ host, answers: false })) });
  s.lead('s2');
  await s.look(0, s.two);
  await s.look(30, s.two);
  assert.equal(s.said.at(-1), 'alert h2 window');
  await s.look(569, s.two);
  assert.equal(s.row('h2'), undefined);
  await s.look(1, s.two);
  assert.deepEqual([s.row('h2')?.number, s.row('h2')?.server_id], [2, 's2']);
});

test('who leads no more does nothing, at whatever instant it loses the lead', async () => {
  const s = await stage();
  await s.lose('h3');
  await s.look();
  s.devices.before = async () => s.lead('s2');
  await s.look(30);
  assert.deepEqual(s.devices.acts, ['status h3'], 'it was begun, and not done');
  assert.equal(s.row('h3')?.state, 'failed');
  s.devices.before = async () => undefined;
  await s.look(30);
  await s.look(30, s.two);
  await s.look(30, s.two);
  assert.deepEqual(s.devices.acts, ['status h3']);
  await s.look(600, s.two);
  assert.equal(s.row('h3')?.state, 'off');
  assert.equal(s.said.at(-1), 'alert-ended h3 fencing-failed');
});

test('who takes itself for the leader and is none begins nothing', async () => {
  const s = await stage();
  await s.lose('h3');
  await s.look();
  s.stale.add('s1');
  s.lead('s2');
  await assert.rejects(s.look(30), { message: 'another leads' });
  assert.deepEqual([s.devices.acts, s.row('h3')], [[], undefined]);
});

test('a host that is heard again in the last moment is spared', async () => {
  const s = await stage();
  await s.lose('h3');
  await s.look();
  s.devices.before = () => s.live('h3');
  await s.look(30);
  assert.deepEqual(s.devices.acts, ['status h3']);
  assert.deepEqual([s.row('h3')?.state, s.said.at(-1)], ['spared', 'fencing h3 spared']);
});

test('a device that does not do it is an alert, and is tried again a window later', async () => {
  const s = await stage();
  s.devices.isStuck = true;
  await s.lose('h3');
  await s.look();
  await s.look(30);
  assert.deepEqual([s.row('h3')?.state, s.said.at(-1)], ['failed', 'alert h3 fencing-failed']);
  await s.look(30);
  assert.equal(s.said.at(-1), 'alert h3 window');
  s.devices.isStuck = false;
  await s.look(600);
  assert.deepEqual([s.row('h3')?.state, s.row('h3')?.number], ['off', 2]);
  assert.equal(s.said.at(-1), 'alert-ended h3 fencing-failed');
});

test('one that is off already is left alone', async () => {
  const s = await stage();
  s.devices.power.set('h3', 'off');
  await s.lose('h3');
  await s.look();
  await s.look(30);
  assert.deepEqual([s.devices.acts, s.row('h3')?.state], [['status h3'], 'off']);
});

test('what a server began that is gone since has failed, and waits for its window', async () => {
  const s = await stage();
  await s.lose('h3');
  s.living.delete('s0');
  await s.run((tx) =>
    tx.fencings.insert([{ host: 'h3', number: 8, state: 'acting', server_id: 's0', at: '' }]),
  );
  await s.look();
  assert.deepEqual(s.said, ['fencing h3 failed', 'alert h3 fencing-failed']);
  await s.look(30);
  await s.look(569);
  assert.deepEqual(s.devices.acts, []);
  await s.look(1);
  assert.deepEqual([s.row('h3')?.state, s.row('h3')?.number], ['off', 9]);
});

test('while another server that lives acts, nobody takes that for failed', async () => {
  const s = await stage();
  await s.lose('h3');
  await s.run((tx) =>
    tx.fencings.insert([{ host: 'h3', number: 8, state: 'acting', server_id: 's2', at: '' }]),
  );
  await s.look();
  await s.look(30);
  assert.deepEqual([s.row('h3')?.state, s.devices.acts], ['acting', []]);
});

/** The stage with hosts to spare, what gives them replicas, and agents that say of their peers what they know of them: of no others. */
async function spareStage(devices: readonly string[] = ['h2', 'h3']) {
  const s = await stage();
  for (const name of ['h4', 'h5', 'h6']) await s.host(name, [], ['l2', 'l3']);
  s.devices.names = devices;
  const routers = routerDuty({
    ...{ store: s.store, call: () => s.call, clock: s.call.clock, fencible: () => s.devices.hosts() },
    leader: { guard: () => Promise.resolve() },
  });
  const bindings = () => s.store.rows('routerBindings');
  const hosts = () => bindings().map(({ host, leaving }) => (leaving ? `(${host})` : host));
  /** `silent` answers nobody; only who knew it before says so. */
  const say = async (silent: string) => {
    for (const { host } of bindings()) {
      if (host === silent) continue;
      const others = bindings().filter((one) => one.host !== host);
      const asked = others.filter((one) => one.host !== silent || ['h1', 'h2'].includes(host));
      const peers = asked.map((one) => ({ host: one.host, answers: one.host !== silent }));
      await s.report(host, { peers, state: host === 'h1' ? 'active' : 'standby' });
    }
  };
  /** h3 is silent for so long: all that goes on meanwhile. */
  const go = async (seconds: number) => {
    for (let passed = 0; passed < seconds; passed += 10) {
      s.pass(10_000);
      await say('h3');
      await routers.perform();
      await s.look();
    }
  };
  await s.die('h3');
  s.kill(s.agents.get('h3')!);
  return { ...s, routers, hosts, say, go };
}

test('a host that has to wait keeps its witnesses, though others were given what it had', async () => {
  const s = await spareStage();
  const row = { host: 'h9', number: 8, state: 'off', server_id: 's2', at: '' } as const;
  await s.run((tx) => tx.fencings.insert([row]));
  await s.go(300);
  assert.deepEqual([s.hosts().length, s.hosts().includes('(h3)')], [4, true], 'one more, and its own');
  assert.deepEqual([s.devices.acts, s.said], [[], ['alert h3 window']]);
  await s.go(310);
  assert.deepEqual([s.devices.acts.slice(0, 2), s.row('h3')?.state], [['status h3', 'off h3'], 'off']);
  await s.go(20);
  assert.deepEqual([s.hosts().length, s.hosts().includes('(h3)')], [3, false], 'it is off: nobody need ask');
});

test('a host that is reached again in the meantime, and whose agent is not, is left on', async () => {
  const s = await spareStage();
  const row = { host: 'h9', number: 8, state: 'off', server_id: 's2', at: '' } as const;
  await s.run((tx) => tx.fencings.insert([row]));
  await s.go(300);
  await s.report('h2', { peers: [{ host: 'h3', answers: true }] });
  await s.look(400);
  assert.deepEqual([s.devices.acts, s.said.at(-1)], [[], 'alert h3 reached']);
});

test('replicas go from a host that has no device, that an operator drains, or that is heard again', async () => {
  const none = await spareStage(['h2']);
  await none.go(90);
  assert.equal(none.hosts().includes('(h3)'), false, 'no device: nothing to wait for');
  const drained = await spareStage();
  drained.devices.isStuck = true;
  await drained.go(90);
  assert.equal(drained.hosts().includes('(h3)'), true);
  await drained.run((tx) => tx.agents.update({ host: 'h3' }, { admin_state_up: false }));
  await drained.go(10);
  assert.equal(drained.hosts().includes('(h3)'), false);
  const heard = await spareStage();
  heard.devices.isStuck = true;
  await heard.go(90);
  await heard.live('h3');
  heard.revive(heard.agents.get('h3')!);
  await heard.go(10);
  assert.deepEqual([heard.hosts().length, heard.hosts().includes('(h3)')], [3, false]);
});

test('one whose device failed is tried again after the window, by the same witnesses', async () => {
  const s = await spareStage();
  s.devices.isStuck = true;
  await s.go(90);
  assert.equal(s.row('h3')?.state, 'failed');
  s.devices.isStuck = false;
  await s.go(630);
  assert.deepEqual([s.row('h3')?.state, s.row('h3')?.number], ['off', 2]);
});
