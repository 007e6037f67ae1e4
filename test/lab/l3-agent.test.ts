/** The l3 role on real Linux, beside l2: two tenant networks, a router, an outside. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realClock } from '../../src/lib/clock.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import {
  ask,
  GATEWAY_IP,
  HOST,
  makeStage,
  NET_A,
  NET_B,
  OUTSIDE_IP,
  pingAlong,
  pings,
  PORT_B,
  serve,
  sh,
  until,
  untilPings,
} from './l3-stage.ts';
import { id } from '../support/network-objects.ts';
import { subnetOf } from '../support/router-objects.ts';

const FLOATING = '203.0.113.20';

inOwnNamespaces(import.meta.url, () => {
  test('machines of two networks reach one another, and the outside by way of the gateway', async (t) => {
    const stage = await makeStage(t);
    await untilPings('dtn-m1', '10.0.2.10');
    assert.ok(!(await pings('dtn-m1', OUTSIDE_IP)), 'there is no gateway yet');
    stage.gateway();
    await stage.settle();
    await untilPings('dtn-m1', OUTSIDE_IP);
    await serve(t, 'dtn-out', 8000);
    assert.match(await ask('dtn-m1', OUTSIDE_IP, 8000), new RegExp(GATEWAY_IP));

    stage.router.set({ enable_snat: false });
    await stage.settle();
    sh(`ip -n dtn-out route add 10.0.0.0/16 via ${GATEWAY_IP}`);
    assert.match(await ask('dtn-m1', OUTSIDE_IP, 8000), /10\.0\.1\.10/, 'seen by its own address');
  });

  test('a floating IP leads in and out, and with it go its connections', async (t) => {
    const stage = await makeStage(t);
    stage.gateway();
    const floating = stage.router.float(1, FLOATING, '10.0.1.10');
    await stage.settle();
    await untilPings('dtn-out', FLOATING);
    await serve(t, 'dtn-m1', 8001);
    await serve(t, 'dtn-out', 8000);
    await serve(t, 'dtn-m2', 8002);
    assert.match(await ask('dtn-out', FLOATING, 8001), new RegExp(OUTSIDE_IP));
    assert.match(await ask('dtn-m1', OUTSIDE_IP, 8000), new RegExp(FLOATING));
    assert.match(await ask('dtn-m2', FLOATING, 8001), /10\./, 'from another network of the router');
    assert.equal(await ask('dtn-m1', FLOATING, 8001), FLOATING, 'by itself: the router stands between');

    const stop = pingAlong(t, 'dtn-out', FLOATING);
    for (let n = 2; n < 12; n++) stage.router.float(n, `203.0.113.${30 + n}`, `10.0.2.${n}`);
    await stage.settle();
    const { sent, received } = await stop();
    assert.equal(sent - received, 0, `lost ${sent - received} of ${sent}`);

    stage.router.remove(`floating-ip/${floating}`);
    await stage.settle();
    const tracked = sh(
      `nsenter --net=/run/netns/${HOST} ip netns exec ${stage.router.namespace} conntrack -L 2>/dev/null`,
    );
    assert.ok(!tracked.includes(`${FLOATING} `), tracked);
    assert.equal(await ask('dtn-out', FLOATING, 8001), '');
  });

  test('neighbours that have an address somewhere else hear where it is now', async (t) => {
    const stage = await makeStage(t);
    stage.gateway();
    const lladdr = '02:00:00:00:00:99';
    const stale = (address: string) =>
      sh(`ip -n dtn-out neigh replace ${address} lladdr ${lladdr} dev eth0 nud stale`);
    const knows = (address: string) => () =>
      sh(`ip -n dtn-out neigh show ${address}`).includes('fa:16:3e:00:01:e1');
    // Otherwise an entry younger than a second is left as it is.
    sh(`ip netns exec dtn-out sh -c 'echo 0 > /proc/sys/net/ipv4/neigh/eth0/locktime'`);
    stale(GATEWAY_IP);
    await stage.settle();
    await until('the address of a new link', knows(GATEWAY_IP));
    stale(FLOATING);
    stage.router.float(1, FLOATING, '10.0.1.10');
    await stage.settle();
    await until('an address that came later', knows(FLOATING));
  });

  test('a port forwarding leads to the right port, an extra route to the right machine', async (t) => {
    const stage = await makeStage(t);
    stage.gateway();
    stage.router.forward(1, {
      floating_ip_address: FLOATING,
      external_port: [7000, 7009],
      internal_port: [8000, 8009],
    });
    stage.router.set({ routes: [{ destination: '198.51.100.0/24', nexthop: '10.0.2.10' }] });
    sh('ip -n dtn-m2 address add 198.51.100.7/32 dev lo');
    await stage.settle();
    await serve(t, 'dtn-m1', 8003);
    await untilPings('dtn-m1', '198.51.100.7');
    assert.match(await ask('dtn-out', FLOATING, 7003), new RegExp(OUTSIDE_IP));
    assert.equal(await ask('dtn-out', FLOATING, 8003), '');
    stage.router.remove(`forwarding/${id(1)}`);
    stage.router.set({ routes: [] });
    await stage.settle();
    assert.equal(await ask('dtn-out', FLOATING, 7003), '');
    assert.ok(!(await pings('dtn-m1', '198.51.100.7')));
  });

  test('IPv6 is routed, and a machine gets its address by advertisement where the subnet says so', async (t) => {
    const stage = await makeStage(t);
    const six = (cidr: string, mode: 'slaac' | null) =>
      subnetOf(cidr, cidr.replace('/64', '1'), { ipv6_ra_mode: mode, ipv6_address_mode: mode });
    stage.router.attach(0xaa6, NET_A, six('fd20:1::/64', 'slaac'));
    stage.router.attach(0xbb6, NET_B, six('fd20:2::/64', null));
    sh('ip -n dtn-m2 address add fd20:2::10/64 dev eth0 nodad; ip -n dtn-m2 route add default via fd20:2::1');
    await stage.settle();
    await untilPings('dtn-m1', 'fd20:2::10');
    assert.match(sh('ip -n dtn-m1 -6 address show dev eth0'), /inet6 fd20:1::/);
    assert.match(sh('ip -n dtn-m1 -6 route'), /default via fe80::[0-9a-f:]+ dev eth0 proto ra/);
    const before = await stage.host.processes();
    await stage.restart();
    assert.deepEqual(await stage.host.processes(), before, 'radvd is adopted');
    stage.router.attach(0xaa6, NET_A, six('fd20:1::/64', null));
    await stage.settle();
    assert.deepEqual(await stage.host.processes(), []);
    assert.match(sh('ip -n dtn-m1 -6 route'), /default via fe80::/, 'its end says no farewell');
  });

  test('what a machine is told by advertisements: flags, prefix, MTU and name servers by the mode of its subnet', async (t) => {
    const stage = await makeStage(t);
    const told = async (mode: 'slaac' | 'dhcpv6-stateful' | 'dhcpv6-stateless') => {
      stage.router.attach(
        0xaa6,
        NET_A,
        subnetOf('fd20:1::/64', 'fd20:1::1', {
          ...{ ipv6_ra_mode: mode, ipv6_address_mode: mode, dns_nameservers: ['2001:db8::53'] },
        }),
      );
      await stage.settle();
      // a link that comes up asks at once (RFC 4861, 6.3.7)
      return sh(`
        timeout 20 ip netns exec dtn-m1 tcpdump -vvnl -c 1 -i eth0 'icmp6 and ip6[40] == 134' 2> /dev/null &
        sleep 1; ip -n dtn-m1 link set eth0 down; ip -n dtn-m1 link set eth0 up; wait`);
    };
    const slaac = await told('slaac');
    assert.match(slaac, /Flags \[none\]/);
    assert.match(slaac, /fd20:1::\/64, Flags \[onlink, auto\]/);
    assert.match(slaac, /mtu option \(5\), length 8 \(1\):\s+1450/);
    assert.match(slaac, /rdnss option .*2001:db8::53/);
    const stateless = await told('dhcpv6-stateless');
    assert.match(stateless, /Flags \[other stateful\]/);
    assert.match(stateless, /fd20:1::\/64, Flags \[onlink, auto\]/);
    const stateful = await told('dhcpv6-stateful');
    assert.match(stateful, /Flags \[managed\]/);
    assert.match(stateful, /fd20:1::\/64, Flags \[onlink\]/);
    assert.doesNotMatch(stateful, /rdnss/);
  });

  test('a restart loses no ping and changes nothing', async (t) => {
    const stage = await makeStage(t);
    stage.gateway();
    stage.router.float(1, FLOATING, '10.0.1.10');
    await stage.settle();
    await untilPings('dtn-out', FLOATING);
    await untilPings('dtn-m1', '10.0.2.10');
    const look = () => {
      const inside = `nsenter --net=/run/netns/${HOST} ip netns exec ${stage.router.namespace}`;
      return sh(`${inside} ip -o address; ${inside} ip route; ${inside} nft list ruleset`);
    };
    const before = look();
    const stops = [pingAlong(t, 'dtn-out', FLOATING), pingAlong(t, 'dtn-m1', '10.0.2.10')];
    for (let life = 0; life < 3; life++) await stage.restart();
    for (const stop of stops) {
      const { sent, received } = await stop();
      assert.ok(sent > 20);
      assert.equal(sent - received, 0, `lost ${sent - received} of ${sent}`);
    }
    assert.equal(look(), before);
  });

  test('what another hand takes away comes back, and another router leaves nothing behind', async (t) => {
    const stage = await makeStage(t);
    stage.gateway();
    stage.router.float(1, FLOATING, '10.0.1.10');
    await stage.settle();
    await untilPings('dtn-out', FLOATING);
    const inside = `nsenter --net=/run/netns/${HOST} ip netns exec ${stage.router.namespace}`;
    const on = `nsenter --net=/run/netns/${HOST}`;
    for (const harm of [
      `${inside} ip address flush dev qr-${id(0xaa1).slice(0, 11)}`,
      `${on} ip link delete tap${id(0xee1).slice(0, 11)}`,
      `${inside} ip link set qg-${id(0xee1).slice(0, 11)} down`,
      `${on} ip link set tap${id(0xaa1).slice(0, 11)} nomaster`,
      `${on} ip netns delete ${stage.router.namespace}`,
    ]) {
      const begunAt = realClock.now();
      sh(harm);
      await until('it is there', async () => (await stage.host.namespaces()).has(stage.router.namespace));
      await untilPings('dtn-out', FLOATING);
      t.diagnostic(`${harm.split('0000 ').at(-1)}: ${Math.round(realClock.now() - begunAt)} ms`);
    }
    await stage.settle();
    for (const harm of [`${inside} nft delete table inet deuteron_l3`, `${inside} ip route delete default`]) {
      await stage.settle();
      sh(harm);
      await until(`it is put right: ${harm}`, async () => {
        await stage.l3.patrol?.('next');
        await stage.settle();
        return (await pings('dtn-m2', OUTSIDE_IP)) && sh(`${inside} ip route show default`) !== '';
      });
    }
    sh(`${on} ip netns add qrouter-${id(0x777)}`);
    stage.router.remove(`interface/${id(PORT_B)}`);
    await stage.settle();
    assert.ok(!(await pings('dtn-m1', '10.0.2.1')));
    const gone = stage.router.namespace;
    stage.router.leave();
    await stage.settle();
    const left = await stage.host.namespaces();
    assert.ok(!left.has(gone));
    assert.ok(left.has(`qrouter-${id(0x777)}`), 'a namespace that is not ours stays');
  });
});
