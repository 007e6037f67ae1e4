/** The dhcp role on real Linux: dnsmasq, real clients, everything that may happen to them. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { PROGRAM_ENVIRONMENT } from '../../src/host/linux/spawner.ts';
import { realClock } from '../../src/lib/clock.ts';
import { startProber } from '../support/dhcp-prober.ts';
import { id } from '../support/network-objects.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import { macOf, makeStage, sh, TestNetwork, until, v4Subnet, v6Subnet } from './dhcp-stage.ts';

const NEVER = new AbortController().signal;
const MACHINE = ['ip', 'netns', 'exec', 'dtn-machine'];

function tools(): string | null {
  const missing = ['dnsmasq', 'dhcp_release', 'udhcpc', 'dhclient', 'nft'].filter(
    (name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0,
  );
  return missing.length === 0 ? null : `SKIPPED: needs ${missing.join(', ')}`;
}

/** What a real client makes of its lease: the words that udhcpc or dhclient hands to its script. */
function client(t: TestContext, argv: (script: string, scratch: string) => string[]): Record<string, string> {
  const scratch = mkdtempSync(join(tmpdir(), 'dtn-client-'));
  t.after(() => rmSync(scratch, { recursive: true, force: true }));
  const script = join(scratch, 'script');
  writeFileSync(script, `#!/bin/sh\n{ echo "event=$1$reason"; env; } >> ${scratch}/said\n`, { mode: 0o755 });
  const run = spawnSync('ip', ['netns', 'exec', 'dtn-machine', 'timeout', '10', ...argv(script, scratch)], {
    encoding: 'utf8',
  });
  // dhclient goes into the background before its pid file is there.
  const left = spawnSync('ip', ['netns', 'pids', 'dtn-machine'], { encoding: 'utf8' }).stdout.trim();
  if (left !== '') spawnSync('kill', left.split('\n'));
  const said = spawnSync('cat', [join(scratch, 'said')], { encoding: 'utf8' }).stdout;
  assert.ok(said.includes('event='), `the client said nothing: ${run.stdout}${run.stderr}`);
  return Object.fromEntries(said.split('\n').map((line) => line.split(/=(.*)/s).slice(0, 2)));
}

const udhcpc = (t: TestContext) =>
  client(t, (script) => [
    ...['udhcpc', '-f', '-q', '-n', '-i', 'eth0', '-s', script, '-t', '5', '-T', '1'],
    ...['-O', 'mtu', '-O', 'staticroutes', '-O', 'bootfile', '-O', 'tftp', '-O', 'search'],
  ]);

const dhclient = (t: TestContext, ...words: string[]) =>
  client(t, (script, scratch) => [
    ...['dhclient', '-1', '-v', '-sf', script, '-lf', `${scratch}/leases`, '-pf', `${scratch}/pid`],
    ...words,
    'eth0',
  ]);

/** Puts a script in dnsmasq's place; `$real` in it is the true one. */
function shimDnsmasq(t: TestContext, body: string): void {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-shim-'));
  const real = sh('command -v dnsmasq').trim();
  writeFileSync(join(directory, 'dnsmasq'), `#!/bin/sh\nreal=${real}\n${body}\n`, { mode: 0o755 });
  const environment = PROGRAM_ENVIRONMENT as Record<string, string>;
  const path = environment['PATH'] ?? '';
  environment['PATH'] = `${directory}:${path}`;
  t.after(() => {
    environment['PATH'] = path;
    rmSync(directory, { recursive: true, force: true });
  });
}

function wear(mac: string): void {
  sh(`ip -n dtn-machine link set eth0 down
    ip -n dtn-machine link set eth0 address ${mac}
    ip -n dtn-machine link set eth0 up`);
}

inOwnNamespaces(import.meta.url, () => {
  const skip = tools();
  if (skip !== null) {
    test('the dhcp role', { skip }, () => undefined);
    return;
  }

  test('a port gets exactly its address and the options of its subnet', async (t) => {
    const stage = makeStage(t);
    const fields = {
      dns_nameservers: ['192.0.2.53'],
      host_routes: [{ destination: '198.51.100.0/24', nexthop: '10.20.0.9' }],
    };
    const network = new TestNetwork(stage.world, 1, [v4Subnet(id(0x400_0001), fields)]);
    network.port(5, { dns_name: 'web' });
    await stage.settle(network);
    wear(macOf(5));
    const lease = udhcpc(t);
    assert.equal(lease['ip'], '10.20.1.5');
    assert.equal(lease['mask'], '16');
    assert.equal(lease['router'], '10.20.0.1');
    assert.equal(lease['dns'], '192.0.2.53');
    assert.equal(lease['mtu'], '1450');
    assert.equal(lease['staticroutes'], '198.51.100.0/24 10.20.0.9 0.0.0.0/0 10.20.0.1');
    assert.equal(lease['hostname'], 'web');
    assert.equal(lease['domain'], 'openstacklocal');
    const other = dhclient(t);
    assert.equal(other['new_ip_address'], '10.20.1.5');
    // Windows asks for 249 where others ask for 121 (MS-DHCPE 2.2.8).
    const seen = await stage.ask({ mac: macOf(5) });
    assert.equal(seen.options['249'], seen.options['121']);
    assert.equal((await stage.ask({ mac: macOf(99), limitMs: 300 })).outcome, 'none');
  });

  test('a subnet without gateway and name servers names its own', async (t) => {
    const stage = makeStage(t);
    const network = new TestNetwork(stage.world, 1, [v4Subnet(id(0x400_0001), { gateway_ip: null })]);
    network.port(5);
    await stage.settle(network);
    const seen = await stage.ask({ mac: macOf(5) });
    assert.equal(seen.options['3'], undefined);
    assert.equal(seen.options['6'], '0a140002');
    sh('ip -n dtn-machine address add 10.20.0.77/16 dev eth0');
    const query = `import { Resolver } from 'node:dns/promises';
      const resolver = new Resolver(); resolver.setServers(['10.20.0.2']);
      console.log((await resolver.resolve4('host-10-20-1-5.openstacklocal'))[0], (await resolver.reverse('10.20.1.5'))[0]);`;
    const argv = [process.execPath, '--input-type=module', '-e', query];
    const run = spawnSync('ip', ['netns', 'exec', 'dtn-machine', ...argv], { encoding: 'utf8' });
    assert.equal(run.stdout.trim(), '10.20.1.5 host-10-20-1-5.openstacklocal', run.stderr);
  });

  test('IPv6, stateful and stateless', async (t) => {
    const stage = makeStage(t);
    const six = id(0x600_0001);
    const network = new TestNetwork(stage.world, 1, [v6Subnet(six, 'dhcpv6-stateful')]);
    const option = { opt_name: 'bootfile-url', opt_value: 'tftp://[fd20::9]/boot', ip_version: 6 } as const;
    network.port(5, { fixed_ips: [{ subnet_id: six, ip_address: 'fd20::55' }], extra_dhcp_opts: [option] });
    await stage.settle(network);
    wear(macOf(5));
    const config = stage.host.absolute('dhclient.conf');
    writeFileSync(config, 'option dhcp6.boot code 59 = text;\nalso request dhcp6.boot;\n');
    const lease = dhclient(t, '-6', '-cf', config);
    assert.equal(lease['new_dhcp6_boot'], 'tftp://[fd20::9]/boot');
    assert.equal(lease['new_ip6_address'], 'fd20::55');
    assert.equal(lease['new_dhcp6_name_servers'], 'fd20::2');
    assert.equal(lease['new_dhcp6_domain_search'], 'openstacklocal.');
    const duid = `0:4:${network.dhcpPort
      .replaceAll('-', '')
      .match(/../g)
      ?.map((h) => Number.parseInt(h, 16).toString(16))
      .join(':')}`;
    assert.equal(lease['new_dhcp6_server_id'], duid);
    // Given to another port, the address must be given up by the first one's lease, which only its DUID names.
    network.remove(id(0xa00_0005));
    network.port(6, { fixed_ips: [{ subnet_id: six, ip_address: 'fd20::55' }] });
    await stage.settle(network);
    wear(macOf(6));
    assert.equal(dhclient(t, '-6')['new_ip6_address'], 'fd20::55');
    network.subnet(v6Subnet(six, 'dhcpv6-stateless'));
    await stage.settle(network);
    const options = dhclient(t, '-6', '-S');
    assert.equal(options['new_dhcp6_name_servers'], 'fd20::2');
  });

  test('extra options of a port, and a bad one that holds nobody', async (t) => {
    const stage = makeStage(t);
    const network = new TestNetwork(stage.world, 1);
    network.port(5);
    await stage.settle(network);
    const evil = { opt_name: 'bootfile-name', opt_value: 'x\ndhcp-script=/bin/sh', ip_version: 4 } as const;
    const bad = network.port(6, { extra_dhcp_opts: [evil] });
    network.port(7, {
      extra_dhcp_opts: [
        { opt_name: 'bootfile-name', opt_value: 'pxelinux.0', ip_version: 4 },
        { opt_name: '26', opt_value: '1400', ip_version: 4 },
        { opt_name: 'server-ip-address', opt_value: '192.0.2.69', ip_version: 4 },
      ],
    });
    let outcome = await stage.reconcile(network);
    assert.ok(outcome.shortfalls.some((s) => s.object === `port/${bad}` && s.state === 'failed'));
    await until('the restart that brings the options', async () => {
      outcome = await stage.reconcile(network);
      return outcome.shortfalls.every((s) => s.state === 'failed');
    });
    assert.deepEqual(
      outcome.shortfalls.map((s) => s.object),
      [`port/${bad}`],
    );
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.6');
    const seen = await stage.ask({ mac: macOf(7) });
    assert.equal(seen.options['26'], '0578');
    assert.equal(
      Buffer.from(seen.options['67'] ?? '', 'hex')
        .toString()
        .replace('\0', ''),
      'pxelinux.0',
    );
    assert.equal((await stage.ask({ mac: macOf(5) })).options['26'], '05aa');
    const conf = readFileSync(stage.host.absolute(`dhcp/${network.id}/conf`), 'utf8');
    assert.ok(!conf.includes('dhcp-script'));
  });

  test('new ports, changes of address, removals, reuse: no restart', async (t) => {
    const stage = makeStage(t);
    const network = new TestNetwork(stage.world, 1);
    const five = network.port(5);
    await stage.settle(network);
    const pid = await stage.pid(network);
    const six = network.port(6);
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.6');
    network.port(6, { fixed_ips: [{ subnet_id: network.v4, ip_address: '10.20.1.66' }] });
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.66');
    network.port(7, { fixed_ips: [{ subnet_id: network.v4, ip_address: '10.20.1.6' }] });
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(7) })).ip, '10.20.1.6');

    assert.equal((await stage.ask({ mac: macOf(5) })).ip, '10.20.1.5');
    network.remove(five);
    const removal = await stage.reconcile(network);
    assert.deepEqual(removal.shortfalls, []);
    assert.ok((removal.again ?? 0) > 20_000, 'a removal alone waits for company');
    network.port(8, { fixed_ips: [{ subnet_id: network.v4, ip_address: '10.20.1.5' }] });
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(8) })).ip, '10.20.1.5');
    assert.equal((await stage.ask({ mac: macOf(5), limitMs: 300 })).outcome, 'none');

    network.remove(six);
    network.port(9, { mac_address: macOf(6) });
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.9');
    assert.equal(await stage.pid(network), pid);
  });

  test('a restarted agent adopts; what died meanwhile comes back; a lost file is found', async (t) => {
    const stage = makeStage(t);
    const network = new TestNetwork(stage.world, 1);
    network.port(5);
    await stage.settle(network);
    network.port(6);
    await stage.settle(network);
    const pid = await stage.pid(network);
    stage.restart();
    await stage.agent.observeAll();
    const adopted = await stage.reconcile(network);
    assert.deepEqual([adopted.shortfalls, adopted.repaired], [[], false]);
    assert.equal(await stage.pid(network), pid);

    await stage.host.removeFile(`dhcp/${network.id}/hosts/${id(0xa00_0006)}`);
    await stage.host.removeFile(`dhcp/${network.id}/base`);
    await stage.agent.observeAll();
    assert.equal((await stage.reconcile(network)).repaired, true);
    for (const n of [5, 6]) assert.equal((await stage.ask({ mac: macOf(n) })).ip, `10.20.1.${n}`);
    assert.equal(await stage.pid(network), pid);

    sh(`kill -9 ${pid}`);
    await until('dnsmasq is gone', async () => (await stage.pid(network)) === undefined);
    assert.deepEqual(
      [...stage.agent.keysOfHostEvent({ type: 'process-ended', name: `dnsmasq-${network.id}` })],
      [network.key],
    );
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(5) })).ip, '10.20.1.5');

    sh(
      `ip netns exec qdhcp-${network.id} ip address flush dev ns-${network.dhcpPort.slice(0, 11)} scope global`,
    );
    await stage.agent.observeAll();
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.6');

    sh(`ip link delete tap${network.dhcpPort.slice(0, 11)}`);
    await stage.agent.observeAll();
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.6');

    sh(`ip netns delete qdhcp-${network.id}`);
    await stage.agent.observeAll();
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.6');
  });

  test('a client that only asks to keep its address is answered at once by a dnsmasq that never saw it', async (t) => {
    const stage = makeStage(t);
    const network = new TestNetwork(stage.world, 1);
    network.port(5);
    await stage.settle(network);
    wear(macOf(5));
    const scratch = mkdtempSync(join(tmpdir(), 'dtn-client-'));
    t.after(() => rmSync(scratch, { recursive: true, force: true }));
    const ask = () =>
      sh(`ip netns exec dtn-machine timeout 10 dhclient -1 -v -sf /bin/true -lf ${scratch}/l -pf ${scratch}/p eth0 2>&1
        until kill $(cat ${scratch}/p 2> /dev/null) 2> /dev/null; do ip netns pids dtn-machine | grep -q .; done
        rm -f ${scratch}/p`);
    assert.match(ask(), /DHCPDISCOVER/);
    sh(`kill -9 ${await stage.pid(network)}`);
    await until('dnsmasq is gone', async () => (await stage.pid(network)) === undefined);
    await stage.host.removeFile(`dhcp/${network.id}/leases`);
    await stage.settle(network);
    const said = ask();
    assert.match(said, /DHCPACK of 10\.20\.1\.5/);
    assert.doesNotMatch(said, /DHCPDISCOVER/);
    assert.equal(said.match(/DHCPREQUEST/g)?.length, 1);
  });

  test('where the kernel gives no inotify instance, reloads do, and it says so', async (t) => {
    const stage = makeStage(t);
    shimDnsmasq(
      t,
      `case "$*" in --test*) ;; *) ! grep -q ^dhcp-hostsdir "\${2#--conf-file=}" || exit 5 ;; esac
exec "$real" "$@"`,
    );
    const network = new TestNetwork(stage.world, 1);
    network.port(5);
    await stage.settle(network);
    const pid = await stage.pid(network);
    network.port(6);
    await stage.settle(network);
    for (const n of [5, 6]) assert.equal((await stage.ask({ mac: macOf(n) })).ip, `10.20.1.${n}`);
    assert.equal(stage.agent.configurations()['networks_by_reload'], 1);
    stage.restart();
    network.port(7);
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(7) })).ip, '10.20.1.7');
    assert.equal(await stage.pid(network), pid);
  });

  test('a dnsmasq that dies of reloads is restarted instead', async (t) => {
    const stage = makeStage(t);
    shimDnsmasq(
      t,
      `case "$*" in --test*) exec "$real" "$@" ;; esac
"$real" "$@" & p=$!
trap 'kill -9 $p; exit 129' HUP
trap 'kill $p' TERM
wait $p; wait $p`,
    );
    const network = new TestNetwork(stage.world, 1);
    network.port(1);
    await stage.settle(network);
    for (let n = 5; n < 9; n++) {
      network.port(1, { fixed_ips: [{ subnet_id: network.v4, ip_address: `10.20.1.${n}` }] });
      await stage.settle(network);
      assert.equal((await stage.ask({ mac: macOf(1) })).ip, `10.20.1.${n}`);
    }
    assert.equal(stage.agent.configurations()['dnsmasq_reload'], 'restart');
  });

  test('a state directory that dnsmasq may not read is said, and never counts as served', async (t) => {
    const stage = makeStage(t);
    const directory = stage.host.absolute('dhcp').replace(/\/dhcp$/, '');
    const network = new TestNetwork(stage.world, 1);
    network.port(5);
    chmodSync(directory, 0o700);
    for (let at = 0; at < 3; at++)
      assert.match(
        (await stage.reconcile(network)).shortfalls[0]?.reason ?? '',
        /user 'nobody' may not read/,
      );
    chmodSync(directory, 0o755);
    await stage.settle(network);
    assert.equal((await stage.ask({ mac: macOf(5) })).ip, '10.20.1.5');
  });

  test('nothing is left of a network that leaves', async (t) => {
    const stage = makeStage(t);
    const network = new TestNetwork(stage.world, 1);
    network.port(5);
    await stage.settle(network);
    sh('ip netns add qdhcp-00000000-0000-4000-8000-00000000000f');
    assert.deepEqual(await stage.agent.allKeys(), [network.key]);
    network.leave();
    assert.deepEqual(await stage.agent.allKeys(), [network.key]);
    await stage.settle(network);
    assert.deepEqual(await stage.agent.allKeys(), []);
    assert.equal(await stage.pid(network), undefined);
    assert.deepEqual(await stage.host.listFiles('dhcp'), []);
    assert.ok(!(await stage.host.namespaces()).has(`qdhcp-${network.id}`));
    assert.ok((await stage.host.namespaces()).has('qdhcp-00000000-0000-4000-8000-00000000000f'), 'not ours');
  });

  test('a machine that asks all the time is answered as soon as its port is there', async (t) => {
    const stage = makeStage(t);
    const network = new TestNetwork(stage.world, 1);
    network.port(1);
    await stage.settle(network);
    const figures: number[] = [];
    const applied: number[] = [];
    for (let n = 10; n < 40; n++) {
      const prober = startProber(MACHINE, { link: 'eth0', mac: macOf(n), limitMs: 60_000 });
      await prober.ready;
      const from = performance.timeOrigin + performance.now();
      network.port(n);
      await stage.settle(network);
      applied.push(performance.timeOrigin + performance.now() - from);
      const result = await prober.result;
      assert.equal(result.ip, `10.20.1.${n}`);
      figures.push((result.ackedAt ?? 0) - from);
    }
    const p = (list: number[], share: number) =>
      list.toSorted((a, b) => a - b)[Math.floor(share * (list.length - 1))]?.toFixed(1);
    t.diagnostic(`ACK after the change: p50 ${p(figures, 0.5)} ms, p95 ${p(figures, 0.95)} ms`);
    t.diagnostic(`reported after the change: p50 ${p(applied, 0.5)} ms, p95 ${p(applied, 0.95)} ms`);
  });

  test('many networks of 10 ports: made, and found unchanged', async (t) => {
    const stage = makeStage(t);
    const count = Number(process.env['DEUTERON_DHCP_NETWORKS'] ?? 50);
    const networks = Array.from({ length: count }, (_, i) => {
      const network = new TestNetwork(stage.world, i + 1);
      for (let n = 1; n <= 10; n++) network.port(n, { port_id: id(0xa00_0000 + (i + 1) * 16 + n) });
      return network;
    });
    const pass = async (what: string) => {
      const before = { at: realClock.now(), cpu: process.cpuUsage(), children: childrenCpuMs() };
      await stage.agent.observeAll();
      const keys = await stage.agent.allKeys();
      let repaired = 0;
      const work = async () => {
        for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
          const outcome = await stage.agent.reconcile(key, NEVER);
          assert.deepEqual(outcome.shortfalls, []);
          if (outcome.repaired) repaired++;
        }
      };
      await Promise.all([work(), work(), work(), work()]);
      const cpu = process.cpuUsage(before.cpu);
      t.diagnostic(
        `${what}: ${((realClock.now() - before.at) / 1000).toFixed(2)} s, CPU ${((cpu.user + cpu.system) / 1e6).toFixed(2)} s own, ` +
          `${((childrenCpuMs() - before.children) / 1000).toFixed(2)} s children, ${repaired} repaired`,
      );
      return repaired;
    };
    assert.equal(await pass(`cold start of ${count} networks`), count);
    const pids = await Promise.all(networks.map((network) => stage.pid(network)));
    assert.equal(await pass('audit'), 0);
    stage.restart();
    assert.equal(await pass('restart, nothing changed'), 0);
    assert.deepEqual(await Promise.all(networks.map((network) => stage.pid(network))), pids);
  });
});

/** CPU time of children that have ended, from /proc/self/stat (proc(5): cutime, cstime; 100 ticks a second). */
function childrenCpuMs(): number {
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}
