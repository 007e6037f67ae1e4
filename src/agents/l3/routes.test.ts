/** By which ways a router goes where it has no address: several next hops, and other subnets of its external network. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id, TestWorld } from '../../../test/support/network-objects.ts';
import { subnetOf, TestRouter } from '../../../test/support/router-objects.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import { desiredRouter } from './desired.ts';
import { createL3Agent } from './reconciler.ts';

const NEVER = new AbortController().signal;
const QR = 'qr-00000aa1-00';
const QG = 'qg-00000ee1-00';
const SPREAD = '198.51.100.0/24';

function cloud() {
  const world = new TestWorld('h1');
  const router = new TestRouter(world, 1);
  router.attach(0xaa1, id(0xa), subnetOf('10.0.1.0/24', '10.0.1.1'));
  const fields = { owner: 'network:router_gateway', ip: '203.0.113.5' } as const;
  const on_link = ['10.0.0.0/16', '192.0.2.0/24', '2001:db8::/64'];
  router.attach(0xee1, id(0xe), subnetOf('203.0.113.0/24', '203.0.113.1'), { ...fields, on_link });
  const routes = ['203.0.113.9', '10.0.1.9', '10.0.1.8'].map((nexthop) => ({ destination: SPREAD, nexthop }));
  router.set({ routes });
  return { world, router, routes };
}

/** Not 10.0.0.0/16: a network inside is in it. */
const ON_LINK = [
  { destination: '192.0.2.0/24', nexthop: null, link: QG },
  { destination: '2001:db8::/64', nexthop: null, link: QG },
];
const DEFAULT = { destination: '0.0.0.0/0', nexthop: '203.0.113.1', link: QG };

test('all next hops of a destination are used, and other subnets of the external network are on its link', async () => {
  const { world, router } = cloud();
  const host = new FakeHost();
  const agent = createL3Agent({ host, world, clock: new ManualClock() });
  const routes = async () =>
    ((await host.routes([router.namespace])).get(router.namespace) ?? []).filter(
      ({ isConnected }) => !isConnected,
    );
  const spread = {
    ...{ destination: SPREAD, nexthop: '10.0.1.8', link: QR },
    others: [
      { nexthop: '10.0.1.9', link: QR },
      { nexthop: '203.0.113.9', link: QG },
    ],
  };
  assert.deepEqual((await agent.reconcile(router.key, NEVER)).shortfalls, []);
  assert.deepEqual(await routes(), [DEFAULT, ...ON_LINK, spread]);

  await agent.observeAll();
  assert.equal((await agent.reconcile(router.key, NEVER)).repaired, false);
  const one = { op: 'set', destination: SPREAD, nexthop: '10.0.1.8', link: QR } as const;
  assert.equal(host.meddleRoute(router.namespace, one), null);
  await agent.observeAll();
  await agent.reconcile(router.key, NEVER);
  assert.deepEqual((await routes()).at(-1), spread);

  router.set({ routes: [{ destination: SPREAD, nexthop: '10.0.1.9' }] });
  await agent.reconcile(router.key, NEVER);
  assert.deepEqual((await routes()).at(-1), { destination: SPREAD, nexthop: '10.0.1.9', link: QR });
});

test('keepalived is told of them with their links, which it does not find out itself', () => {
  const { world, router, routes } = cloud();
  const beyond = { destination: '198.18.0.0/15', nexthop: '192.0.2.9' };
  router.set({ ha: true, ha_vr_id: 7, routes: [...routes, beyond] });
  const own = { owner: 'network:router_ha_interface', host: 'h1', ip: '169.254.192.7' } as const;
  router.attach(0xcc1, id(0xc), subnetOf('169.254.192.0/18', null), own);
  const desired = desiredRouter(world, router.id);
  assert.deepEqual(desired?.shortfalls, []);
  assert.deepEqual(desired.ha?.routes, [
    DEFAULT,
    ...ON_LINK,
    {
      ...{ destination: SPREAD, nexthop: '10.0.1.8', link: QR },
      others: [
        { nexthop: '10.0.1.9', link: QR },
        { nexthop: '203.0.113.9', link: QG },
      ],
    },
    { ...beyond, link: QG },
  ]);
});

test('no route takes the place of a network that the router has a link to, nor parts what is between replicas', () => {
  const { world, router, routes } = cloud();
  const spread = desiredRouter(world, router.id)?.routes;
  const within = { destination: '10.0.1.128/25', nexthop: '10.0.1.9' };
  const own = ['10.0.1.0/24', '203.0.113.0/24'].map((destination) => ({ destination, nexthop: '10.0.1.9' }));
  router.set({ routes: [...routes, within, ...own] });
  const alone = desiredRouter(world, router.id);
  assert.deepEqual(alone?.routes, [...(spread ?? []), { ...within, link: null }]);
  const told = (destination: string) => ({
    ...{ object: '', state: 'waiting' },
    reason: `no route to ${destination} by 10.0.1.9: it is a network that the router has a link to`,
  });
  assert.deepEqual(alone.shortfalls, [told('10.0.1.0/24'), told('203.0.113.0/24')]);

  const between = ['169.254.192.0/18', '169.254.192.0/19', '169.254.0.0/24', '169.254.0.7/32'];
  const others = between.map((destination) => ({ destination, nexthop: '10.0.1.9' }));
  const beyond = { destination: '169.254.0.0/16', nexthop: '10.0.1.9' };
  router.set({ ha: true, ha_vr_id: 7, routes: [within, beyond, ...own, ...others] });
  const ha = { owner: 'network:router_ha_interface', host: 'h1', ip: '169.254.192.7' } as const;
  router.attach(0xcc1, id(0xc), subnetOf('169.254.192.0/18', null), ha);
  const desired = desiredRouter(world, router.id);
  assert.deepEqual(desired?.ha?.routes, [
    ...[DEFAULT, ...ON_LINK],
    ...[within, beyond].map((route) => ({ ...route, link: QR })),
  ]);
  assert.deepEqual(
    desired.shortfalls,
    [...own, ...others].map(({ destination }) => told(destination)),
  );
});
