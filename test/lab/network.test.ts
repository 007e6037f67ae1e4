/** The lab itself, without server and agents: that hosts are apart, that faults do what they say, that nothing stays. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { defaultStateDirectory } from '../../src/lab/state.ts';
import { Lab } from '../../src/lab/lab.ts';
import { leftovers } from '../../src/lab/lifecycle.ts';
import { plugPort, tapName, unplugPort } from '../../src/lab/plug.ts';
import { isRunning, launch } from '../../src/lab/processes.ts';
import { runProgram } from '../../src/lab/program.ts';
import { until } from '../../src/lab/until.ts';
import { realClock } from '../../src/lib/clock.ts';
import type { Cut } from '../../src/lab/cuts.ts';
import { enterNode } from '../../src/lab/ground.ts';
import {
  leaseOf,
  type Machine,
  runInMachine,
  runOn,
  startDhcpClient,
  stopDhcpClient,
  waitForLease,
} from '../../src/lab/machine.ts';

const id = `n${process.pid.toString(36)}`;
const name = { id, stateDirectory: defaultStateDirectory(id) };
const up = () =>
  Lab.up({
    clock: realClock,
    callApi: () => Promise.reject(new Error('no server here')),
    id,
    hosts: 2,
    servers: 1,
    apiPort: null,
    programs: false,
  });

describe('lab network', () => {
  let lab: Lab;
  before(async () => {
    lab = await up();
  });
  after(async () => {
    await lab.down();
    assert.deepEqual(await leftovers(name), []);
  });

  const reaches = async (from: string, address: string, size = 56) =>
    (await lab.run(from, ['ping', '-n', '-c', '1', '-W', '1', '-M', 'do', '-s', String(size), address]))
      .code === 0;
  /** A healed link has its carrier and its neighbour's address within a few seconds. */
  const reachesAgain = () =>
    until(realClock, { what: 'h1 reaches h2', timeoutMs: 60_000 }, () => reaches('h1', '10.250.0.2'));
  const cut = (change: Partial<Cut>) =>
    lab.cut({ node: 'h1', segment: 'tunnel', kind: 'silent', direction: 'both', ...change });

  test('hosts reach each other and the server, with an MTU of 1500', async () => {
    assert.ok(await reaches('h1', '10.250.0.2', 1472));
    assert.equal(await reaches('h1', '10.250.0.2', 1473), false);
    assert.ok(await reaches('h2', '10.251.0.254'));
  });

  test('a namespace made on one host is not seen by the other, nor by this machine', async () => {
    assert.equal((await lab.run('h1', ['ip', 'netns', 'add', 'mine'])).code, 0);
    assert.match((await lab.run('h1', ['ip', 'netns', 'list'])).stdout, /^mine/);
    assert.equal((await lab.run('h2', ['ip', 'netns', 'list'])).stdout, '');
    assert.doesNotMatch((await runProgram(['ip', 'netns', 'list'])).stdout, /^mine/m);
    assert.equal((await lab.run('h1', ['ip', 'netns', 'delete', 'mine'])).code, 0);
  });

  test('a carrier cut is seen by the host, a silent one is not; both stop traffic, on that segment only', async () => {
    const carrier = async () => (await lab.run('h1', ['cat', '/sys/class/net/tun0/carrier'])).stdout.trim();
    await cut({ kind: 'carrier' });
    assert.equal(await carrier(), '0');
    assert.equal(await reaches('h1', '10.250.0.2'), false);
    assert.ok(await reaches('h1', '10.251.0.2'));
    await cut({ kind: 'silent' });
    assert.equal(await carrier(), '1');
    assert.equal(await reaches('h1', '10.250.0.2'), false);
    await lab.heal('h1');
    await reachesAgain();
  });

  test('a one-way cut lets the other way through', async () => {
    const received = async (host: string) =>
      Number((await lab.run(host, ['cat', '/sys/class/net/tun0/statistics/rx_packets'])).stdout);
    const send = (from: string, to: string) => reaches(from, to);
    await cut({ direction: 'in' });
    const beforeSending = { h1: await received('h1'), h2: await received('h2') };
    assert.equal(await send('h1', '10.250.0.2'), false);
    assert.equal(await received('h1'), beforeSending.h1, 'nothing comes in');
    assert.ok((await received('h2')) > beforeSending.h2, 'but it goes out');
    await lab.heal();
    await reachesAgain();
  });

  test('loss loses a share, and a smaller MTU only what is larger', async () => {
    await cut({ kind: 'loss', amount: 50 });
    const { stdout } = await lab.run('h1', [
      'ping',
      '-n',
      '-q',
      '-c',
      '60',
      '-i',
      '0.01',
      '-W',
      '1',
      '10.250.0.2',
    ]);
    const lost = Number(/([\d.]+)% packet loss/.exec(stdout)?.[1]);
    assert.ok(lost > 40 && lost < 100, `${lost}% lost: a half each way makes three quarters`);
    await cut({ kind: 'mtu', amount: 1000 });
    assert.ok(await reaches('h1', '10.250.0.2', 900));
    assert.equal(await reaches('h1', '10.250.0.2', 1200), false);
    await lab.heal('h1', 'tunnel');
    assert.ok(await reaches('h1', '10.250.0.2', 1200));
  });

  test('a process of a host is found by its name there and not elsewhere', async () => {
    const { place } = lab;
    const { stateDirectory } = lab.layout;
    const argv = [...enterNode(place.ground, lab.layout, lab.node('h1')), 'sleep', '1000'];
    const record = await launch({ stateDirectory, name: 'h1.sleeper', argv });
    const pids = (host: string) => lab.find(host, 'sleep').map((one) => one.pid);
    await until(realClock, { what: 'found', timeoutMs: 60_000 }, () => pids('h1').includes(record.pid));
    assert.equal(pids('h2').includes(record.pid), false);
    assert.deepEqual(lab.signal('h1', 'no-such-program', 'SIGKILL'), []);
  });

  test('a machine with a port gets its lease from a DHCP server on its link', async () => {
    const { place } = lab;
    const host = lab.node('h1');
    const port = { id: '5d4dcd1e-0000-4000-8000-000000000001', mac_address: 'fa:16:3e:00:00:01' };
    const machine: Machine = { name: 'vm1', host, port };
    const run = runOn(place, host);
    const options = { port, mtu: 1450, namespace: 'vm1', device: 'eth0' };
    assert.equal(await plugPort(run, options), 'plugged');
    assert.equal(await plugPort(run, options), 'already plugged');
    await assert.rejects(plugPort(run, { ...options, namespace: 'vm2' }), /unplug the port first/);
    assert.match(
      (await runInMachine(place, machine, ['ip', 'link', 'show', 'eth0'])).stdout,
      /mtu 1450[\s\S]*fa:16:3e:00:00:01/,
    );

    const tap = tapName(port.id);
    assert.equal((await run(['ip', 'address', 'add', '192.0.2.1/24', 'dev', tap])).code, 0);
    const dnsmasq = [
      'dnsmasq',
      '-k',
      '-C',
      '/dev/null',
      '--port=0',
      `--interface=${tap}`,
      '--bind-interfaces',
      '--leasefile-ro',
    ];
    const give = [
      '--dhcp-range=192.0.2.0,static',
      `--dhcp-host=${port.mac_address},192.0.2.9`,
      '--dhcp-option=26,1400',
      '--dhcp-option=121,198.51.100.0/24,192.0.2.7,0.0.0.0/0,192.0.2.1',
    ];
    // Between veth ends the kernel leaves UDP checksums unfinished, and udhcpc, which reads raw packets, minds.
    const rules =
      'table ip t { chain o { type filter hook output priority 0; udp dport 68 udp checksum set 0; }; }';
    assert.equal((await run(['nft', rules])).code, 0);
    await launch({
      stateDirectory: lab.layout.stateDirectory,
      name: 'h1.test-dnsmasq',
      argv: [...enterNode(place.ground, lab.layout, host), ...dnsmasq, ...give],
    });
    const client = await startDhcpClient(place, machine);
    const lease = await waitForLease(place, machine, { timeoutMs: 60_000 });
    assert.equal(`${lease.ip}/${lease.mask} mtu ${lease.mtu}`, '192.0.2.9/24 mtu 1400');
    assert.match((await runInMachine(place, machine, ['ip', 'link', 'show', 'eth0'])).stdout, /mtu 1400/);
    const routes = (await runInMachine(place, machine, ['ip', 'route'])).stdout;
    assert.match(routes, /default via 192\.0\.2\.1 dev eth0/);
    assert.match(routes, /198\.51\.100\.0\/24 via 192\.0\.2\.7 dev eth0/);

    await stopDhcpClient(place, machine);
    assert.equal(isRunning(client), false);
    assert.equal(leaseOf(machine)?.ip, '192.0.2.9', 'a client that dies keeps its address');
    assert.ok(await unplugPort(run, port.id));
    assert.equal(await unplugPort(run, port.id), false);
  });

  test('what an interrupted lab left goes before the next begins', async () => {
    const { place } = lab;
    const { stateDirectory } = lab.layout;
    const argv = [...enterNode(place.ground, lab.layout, lab.node('h2')), 'setsid', 'sleep', '1000'];
    const record = await launch({ stateDirectory, name: 'h2.sleeper', argv });
    // As if the lab's own files had been lost: namespaces and processes are still found by name and mark.
    await runProgram(['rm', '-rf', stateDirectory]);
    assert.notDeepEqual(await leftovers(name), []);
    lab = await up();
    assert.equal(isRunning(record), false);
    assert.ok(existsSync(stateDirectory));
    assert.ok(await reaches('h1', '10.250.0.2'));
  });
});
