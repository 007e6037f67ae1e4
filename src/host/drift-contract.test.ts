/** What host.ts promises of another hand's doings, held against the fake anywhere and against Linux where it can be. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import { inOwnNamespaces } from '../../test/support/own-namespaces.ts';
import { FakeHost } from './fake/fake-host.ts';
import type { Host, HostEvent, LinkStep } from './host.ts';
import { linuxHost, until } from '../../test/support/linux-host.ts';

type MakeHost = (t: TestContext) => Host;

/** What another hand does to the host. */
interface Hand {
  link(namespace: string, step: LinkStep): void;
  deleteNamespace(name: string): void;
  deleteTable(table: string, namespace?: string): void;
  deleteRoute(namespace: string, destination: string): void;
  write(path: string, text: string): void;
  remove(path: string): void;
  stop(process: string): void;
}
type HandOf = (host: Host) => Hand;

/** Follows a host; `heard` resolves once such an event was told after the call, or before. */
async function follow(t: TestContext, host: Host) {
  const events: HostEvent[] = [];
  const stop = new AbortController();
  const following = host.follow((event) => events.push(event), stop.signal);
  t.after(async () => {
    stop.abort();
    await following;
  });
  const heard = (event: Partial<HostEvent>) =>
    until(JSON.stringify(event), () =>
      events.some((one) =>
        Object.entries(event).every(([name, value]) => one[name as keyof HostEvent] === value),
      ),
    );
  await heard({ type: 'overflow' });
  return { events, heard };
}

function driftTests(make: MakeHost, handOf: HandOf): void {
  test('what becomes of links and addresses inside namespaces is told', async (t) => {
    const host = make(t);
    const hand = handOf(host);
    const { heard } = await follow(t, host);
    await host.ensureNamespace('dtn-f');
    const peer = { name: 'in', namespace: 'dtn-f', mac: '02:00:00:00:00:02' };
    await host.changeLinks(null, [
      { op: 'add-veth', name: 'tap2', mtu: 1450, peer },
      { op: 'set-link', name: 'tap2', up: true },
    ]);
    await host.changeLinks('dtn-f', [
      { op: 'set-link', name: 'in', up: true },
      { op: 'add-address', link: 'in', address: '192.0.2.2/24' },
    ]);
    await heard({ type: 'link', name: 'tap2', namespace: null, news: 'up' });
    await heard({ type: 'address', namespace: 'dtn-f', news: 'came', address: '192.0.2.2/24' });
    hand.link('dtn-f', { op: 'delete-address', link: 'in', address: '192.0.2.2/24' });
    await heard({ type: 'address', namespace: 'dtn-f', news: 'went', address: '192.0.2.2/24' });
    hand.link('dtn-f', { op: 'set-link', name: 'in', up: false });
    await heard({ type: 'link', name: 'in', namespace: 'dtn-f', news: 'down' });
    await heard({ type: 'link', name: 'tap2', namespace: null, news: 'no-carrier' });
    hand.link('dtn-f', { op: 'delete-link', name: 'in' });
    await heard({ type: 'link', name: 'tap2', namespace: null, news: 'gone' });
  });

  test('a namespace that lost its name gets it back with all that is in it', async (t) => {
    const host = make(t);
    const hand = handOf(host);
    const { heard } = await follow(t, host);
    await host.ensureNamespace('dtn-g');
    const peer = { name: 'in', namespace: 'dtn-g', mac: '02:00:00:00:00:03' };
    await host.changeLinks(null, [{ op: 'add-veth', name: 'tap3', mtu: 1450, peer }]);
    const spec = { name: 'holder', namespace: 'dtn-g', argv: ['sleep', '1000'], configHash: '' };
    const { pid } = await host.startProcess(spec);
    hand.deleteNamespace('dtn-g');
    await heard({ type: 'namespace', name: 'dtn-g', news: 'went' });
    assert.ok(!(await host.namespaces()).has('dtn-g'));
    assert.equal(await host.isAstray('holder', 'dtn-g'), true);
    await host.ensureNamespace('dtn-g', 'holder');
    assert.equal(await host.isAstray('holder', 'dtn-g'), false);
    assert.ok((await host.linksIn(['dtn-g'])).get('dtn-g')?.some((link) => link.name === 'in'));
    assert.equal((await host.findProcess('holder'))?.pid, pid);
    hand.deleteNamespace('dtn-g');
    await host.ensureNamespace('dtn-g');
    assert.equal(await host.isAstray('holder', 'dtn-g'), true, 'that is another');
    await host.stopProcess('holder', 0);
    assert.equal(await host.isAstray('holder', 'dtn-g'), false);
  });

  test('files of watched directories that another hand changes are told, our own writes are not', async (t) => {
    const host = make(t);
    const hand = handOf(host);
    await host.writeFile('d/own', 'one');
    await host.writeFile('d/deleted', '');
    await host.watchDirectory('none');
    await host.watchDirectory('d', ['log']);
    const { events, heard } = await follow(t, host);
    await host.writeFile('d/own', 'two');
    await host.writeFiles(new Map([['d/more', ''], ['d/many', '']])); // biome-ignore format: a pair each
    await host.removeFile('d/many');
    hand.write('d/log', 'x');
    hand.write('d/edited', 'x');
    await heard({ type: 'file', path: 'd/edited' });
    hand.remove('d/deleted');
    await heard({ type: 'file', path: 'd/deleted' });
    hand.write('d/own', 'three');
    await heard({ type: 'file', path: 'd/own' });
    const told = new Set(events.flatMap((event) => (event.type === 'file' ? [event.path] : [])));
    assert.deepEqual([...told].sort(), ['d/deleted', 'd/edited', 'd/own']);
    assert.equal(await host.readFile('d/more'), '');
  });

  test('several files are written together, and what is asked for comes before the first', async (t) => {
    const host = make(t);
    await host.writeFile('d/a', 'old');
    let seen: string | null = '';
    const texts = new Map([['d/a', 'new'], ['e/b', 'b']]); // biome-ignore format: a pair each
    await host.writeFiles(texts, async () => {
      seen = await host.readFile('d/a');
    });
    assert.equal(seen, 'old');
    assert.deepEqual([await host.readFile('d/a'), await host.readFile('e/b')], ['new', 'b']);
    await assert.rejects(host.writeFiles(new Map([['d/a', 'newer']]), () => Promise.reject(new Error('no'))));
    assert.equal(await host.readFile('d/a'), 'new');
  });

  test('a table of the host that another hand deletes is told', async (t) => {
    const host = make(t);
    const hand = handOf(host);
    const text = 'table inet dtn_y {\n comment "deuteron:1"\n chain c { }\n}\n';
    await host.applyRuleset(null, text);
    const { heard } = await follow(t, host);
    hand.deleteTable('inet dtn_y');
    await heard({ type: 'ruleset', table: 'inet dtn_y' });
    assert.equal(await host.rulesetMark(null, 'inet dtn_y'), null);
  });

  test('tables and routes inside namespaces: another hand’s changes are told, our own are not', async (t) => {
    const host = make(t);
    const hand = handOf(host);
    const { events, heard } = await follow(t, host);
    const tables = () => events.flatMap((event) => (event.type === 'inside' ? [event.what] : []));
    await host.ensureNamespace('dtn-h');
    const peer = { name: 'in', namespace: 'dtn-h', mac: '02:00:00:00:00:04' };
    await host.changeLinks(null, [{ op: 'add-veth', name: 'tap4', mtu: 1450, peer }]);
    await host.changeLinks(null, [{ op: 'set-link', name: 'tap4', up: true }]);
    await host.changeLinks('dtn-h', [
      { op: 'set-link', name: 'in', up: true },
      { op: 'add-address', link: 'in', address: '192.0.2.2/24' },
    ]);
    const route = { destination: '198.51.100.0/24', nexthop: '192.0.2.9', link: 'in' };
    assert.deepEqual(await host.changeRoutes('dtn-h', [{ op: 'set', ...route }]), [null]);
    const text = (name: string) => `table inet ${name} {\n comment "deuteron:1"\n chain c { }\n}\n`;
    for (const name of ['deuteron_x', 'deuteron_y', 'strange']) await host.applyRuleset('dtn-h', text(name));
    hand.deleteTable('inet strange', 'dtn-h');
    hand.deleteTable('inet deuteron_x', 'dtn-h');
    await heard({ type: 'inside', what: 'inet deuteron_x' });
    assert.deepEqual(tables(), ['inet deuteron_x']);
    hand.deleteRoute('dtn-h', '198.51.100.0/24');
    await heard({ type: 'inside', what: 'route' });
    assert.deepEqual(tables(), ['inet deuteron_x', 'route']);
    events.length = 0;
    hand.deleteRoute('dtn-h', '192.0.2.0/24');
    await heard({ type: 'inside', what: 'route' });
    assert.deepEqual(tables(), ['route'], 'the kernel’s own too');
    await host.changeRoutes('dtn-h', [{ op: 'connect', link: 'in', address: '192.0.2.2/24' }]);
    await host.changeLinks('dtn-h', [{ op: 'delete-address', link: 'in', address: '192.0.2.2/24' }]);
    await heard({ type: 'address', namespace: 'dtn-h', news: 'went', address: '192.0.2.2/24' });
    assert.deepEqual(tables(), ['route']);
  });

  test('a process that is stopped is told, and ends all the same', async (t) => {
    const host = make(t);
    const hand = handOf(host);
    const { heard } = await follow(t, host);
    await host.startProcess({ name: 'dtn-s', namespace: null, argv: ['sleep', '1000'], configHash: '' });
    assert.equal((await host.findProcess('dtn-s'))?.stuck, null);
    hand.stop('dtn-s');
    await heard({ type: 'process-stuck', name: 'dtn-s' });
    assert.equal((await host.findProcess('dtn-s'))?.stuck, 'is stopped');
    await host.stopProcess('dtn-s', 600_000);
    assert.equal(await host.findProcess('dtn-s'), null);
  });
}

const fakeHand: HandOf = (host) => {
  assert.ok(host instanceof FakeHost);
  return {
    link: (namespace, step) => host.meddle(namespace, step),
    deleteNamespace: (name) => host.meddleNamespace(name),
    deleteTable: (table, namespace) => host.meddleTable(namespace ?? null, table),
    deleteRoute: (namespace, destination) =>
      void host.meddleRoute(namespace, { op: 'delete', destination, nexthop: null, link: null }),
    write: (path, text) => host.meddleFile(path, text),
    remove: (path) => host.meddleFile(path, null),
    stop: (process) => host.hangProcess(process),
  };
};

const inside = (namespace: string | undefined) =>
  namespace === undefined ? [] : ['ip', 'netns', 'exec', namespace];

/** With the tools that a person would use. */
const linuxHand: HandOf = (host) => {
  const run = (...argv: string[]) => {
    const done = spawnSync(argv[0]!, argv.slice(1), { encoding: 'utf8' });
    assert.equal(done.status, 0, done.stderr);
  };
  return {
    link(namespace, step) {
      if (step.op === 'delete-address')
        run('ip', '-n', namespace, 'address', 'delete', step.address, 'dev', step.link);
      else if (step.op === 'delete-link') run('ip', '-n', namespace, 'link', 'delete', step.name);
      else if (step.op === 'set-link')
        run('ip', '-n', namespace, 'link', 'set', step.name, step.up ? 'up' : 'down');
      else assert.fail(`no hand does ${step.op}`);
    },
    deleteNamespace: (name) => run('ip', 'netns', 'delete', name),
    deleteTable: (table, namespace) =>
      run(...inside(namespace), 'nft', 'delete', 'table', ...table.split(' ')),
    deleteRoute: (namespace, destination) => run('ip', '-n', namespace, 'route', 'delete', destination),
    write: (path, text) => writeFileSync(host.absolute(path), text),
    remove: (path) => rmSync(host.absolute(path)),
    stop: (name) => void host.findProcess(name).then((found) => found && process.kill(found.pid, 'SIGSTOP')),
  };
};

describe('the fake host', () => {
  driftTests(() => new FakeHost(), fakeHand);
});

inOwnNamespaces(import.meta.url, () => {
  describe('the linux host', () => {
    driftTests((t) => linuxHost(t), linuxHand);

    test('a program that leaves its datagrams unread is told, one that reads is not', async (t) => {
      const host = linuxHost(t);
      const { events, heard } = await follow(t, host);
      const program = (body: string) => [process.execPath, '-e', body];
      const bind = (then: string) =>
        `const s = require('node:dgram').createSocket('udp4'); s.bind(4067, '127.0.0.1', () => { ${then} });`;
      const send = `const s = require('node:dgram').createSocket('udp4'); s.send('x', 4067, '127.0.0.1', () => s.close());`;
      const deaf = bind('Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)');
      for (const [name, body] of [
        ['deaf', deaf],
        ['well', bind('')],
      ] as const) {
        await host.ensureNamespace(`dtn-${name}`);
        await host.changeLinks(`dtn-${name}`, [{ op: 'set-link', name: 'lo', up: true }]);
        await host.startProcess({ name, namespace: `dtn-${name}`, argv: program(body), configHash: '' });
        const isBound = () => host.runProgram(`dtn-${name}`, ['grep', '-q', ':0FE3 ', '/proc/net/udp']);
        await until('it listens', async () => (await isBound()).code === 0);
        await host.runProgram(`dtn-${name}`, program(send));
      }
      await heard({ type: 'process-stuck', name: 'deaf' });
      assert.equal((await host.findProcess('deaf'))?.stuck, 'does not read what it is sent');
      assert.equal((await host.findProcess('well'))?.stuck, null);
      assert.ok(!events.some((event) => event.type === 'process-stuck' && event.name === 'well'));
    });

    test('a program of which something that it started is stopped is told', async (t) => {
      const host = linuxHost(t);
      const { heard } = await follow(t, host);
      const argv = ['sh', '-c', "sh -c 'sleep 1000 & kill -STOP $!; wait' & wait"];
      await host.startProcess({ name: 'guard', namespace: null, argv, configHash: '' });
      await heard({ type: 'process-stuck', name: 'guard' });
      assert.equal((await host.findProcess('guard'))?.stuck, 'is stopped');
      await host.stopProcess('guard', 600_000);
    });

    test('a table whose rules another hand changed is not as we left it, also for a later life', async (t) => {
      const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-host-'));
      const text = (port: number) =>
        `table inet dtn_z\ndelete table inet dtn_z\ntable inet dtn_z {\n comment "deuteron:${port}"\n set s { type inet_service; elements = { 9, ${port}, 7 } }\n chain c { udp dport @s counter drop; }\n}\n`;
      const host = linuxHost(t, stateDirectory);
      await host.applyRuleset(null, text(8));
      assert.equal(await host.rulesetMark(null, 'inet dtn_z'), 'deuteron:8');
      spawnSync('nft', ['flush', 'chain', 'inet', 'dtn_z', 'c']);
      const later = linuxHost(t, stateDirectory);
      assert.equal(await later.rulesetMark(null, 'inet dtn_z'), null);
      await later.applyRuleset(null, text(8));
      assert.equal(await later.rulesetMark(null, 'inet dtn_z'), 'deuteron:8');
    });

    test('what another hand started in the place of a program of ours is ended', async (t) => {
      const host = linuxHost(t);
      const argv = ['sleep', '12345'];
      const stranger = spawn(argv[0]!, argv.slice(1), { stdio: 'ignore' });
      t.after(() => stranger.kill('SIGKILL'));
      const ended = new Promise((resolve) => stranger.once('exit', resolve));
      const ours = await host.startProcess({ name: 'p', namespace: null, argv, configHash: '' });
      assert.equal(await host.endCopies(argv), 1);
      await ended;
      assert.deepEqual(await host.findProcess('p'), ours);
    });
  });
});
