/** An address more for a replica of an HA router: the active has it at once, the others later, and who has not the role never. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinkStep } from '../../host/host.ts';
import { OWN, HA, QG, ReplicaBench, VIPS } from '../../../test/support/replica-bench.ts';
import { foreseen } from './ahead.ts';

const MORE = '203.0.113.9/32';
const OTHER = '203.0.113.10/32';

const outside = async (b: ReplicaBench): Promise<string[]> => (await b.held())[QG] ?? [];
const withMore = (...more: readonly string[]): string[] => [...VIPS[QG], ...more].sort();

/** The role goes, with what keepalived knew of. */
function losesRole(b: ReplicaBench): void {
  b.turn('delete-address');
}

/** What is done to addresses waits until `meanwhile` is through. */
function before(b: ReplicaBench, meanwhile: (steps: readonly LinkStep[]) => void): void {
  const { changeLinks } = b.host;
  b.host.changeLinks = async (namespace, steps, mayBegin) => {
    if (mayBegin && !(await mayBegin)) return steps.map(() => null);
    if (steps.some(({ op }) => op === 'add-address')) {
      b.host.changeLinks = changeLinks;
      meanwhile(steps);
    }
    return changeLinks.call(b.host, namespace, steps);
  };
}

test('an active has a new address at once, and its keepalived was told before', async () => {
  const b = await ReplicaBench.active();
  const told: string[][] = [];
  before(b, () => told.push([...b.signals]));
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  assert.deepEqual(await b.converge(), []);
  assert.deepEqual(await outside(b), withMore(MORE));
  assert.deepEqual(told, [['HUP']]);
  assert.match((await b.file('keepalived.conf')) ?? '', /203\.0\.113\.9\/32/);
  await b.settle();
  assert.deepEqual([await outside(b), b.signals], [withMore(MORE), ['HUP']]);
});

test('a thousand addresses are not read for the sake of one, until keepalived is at rest', async () => {
  const b = await ReplicaBench.active();
  const { linksIn } = b.host;
  let looks = 0;
  b.host.linksIn = (names) => {
    looks++;
    return linksIn.call(b.host, names);
  };
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  await b.converge();
  await b.converge();
  assert.equal(looks, 0);
  b.clock.advance(400);
  await b.converge();
  assert.equal(looks, 1);
  b.host.meddle(b.router.namespace, { op: 'delete-address', link: QG, address: MORE });
  await b.settle();
  assert.deepEqual(await outside(b), withMore(MORE), 'what went missing meanwhile is mended');
});

test('two in quick succession: keepalived is told of both, and has the second', async () => {
  const b = await ReplicaBench.active();
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  await b.converge();
  b.router.float(3, '203.0.113.10', '10.0.1.8');
  await b.converge();
  assert.deepEqual(b.signals, ['HUP', 'HUP']);
  assert.match((await b.file('keepalived.conf')) ?? '', /203\.0\.113\.10\/32/);
  b.host.meddle(b.router.namespace, { op: 'add-address', link: QG, address: OTHER });
  await b.settle();
  assert.deepEqual(await outside(b), withMore(MORE, OTHER));
});

test('one that is deleted at once is gone, from keepalived and from the link', async () => {
  const b = await ReplicaBench.active();
  const id = b.router.float(2, '203.0.113.9', '10.0.1.7');
  await b.converge();
  b.router.remove(`floating-ip/${id}`);
  await b.converge();
  assert.doesNotMatch((await b.file('keepalived.conf')) ?? '', /203\.0\.113\.9\/32/);
  await b.settle();
  assert.deepEqual(await outside(b), withMore());
});

test('who loses the role before an address is on its link does not take it', async () => {
  const b = await ReplicaBench.active();
  const { signalProcess } = b.host;
  b.host.signalProcess = async (name, signal) => {
    losesRole(b);
    return signalProcess.call(b.host, name, signal);
  };
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  let added = 0;
  before(b, () => added++);
  await b.converge();
  assert.deepEqual([await outside(b), added], [[], 0]);
});

test('who loses the role as an address comes gives that up too, at once', async () => {
  const b = await ReplicaBench.active();
  before(b, () => losesRole(b));
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  await b.converge();
  await b.converge();
  assert.deepEqual(await outside(b), [], 'keepalived may not have known of it');
  await b.settle();
  assert.deepEqual(await outside(b), []);
});

test('who loses the role where keepalived could not be told gives up what it was not told of, whenever that is', async () => {
  const b = await ReplicaBench.active();
  b.cannotWrite('keepalived.conf');
  b.router.float(2, '203.0.113.9', '10.0.1.7');
  for (let times = 0; times < 3; times++) {
    assert.equal((await b.converge()).length, 1);
    b.clock.advance(1_000);
  }
  assert.deepEqual(await outside(b), withMore(MORE));
  losesRole(b);
  await b.converge();
  assert.deepEqual(await outside(b), []);
});

/** Lives in which all that is to be done from a certain verb on is not done any more. */
const ENDS = ['writeFile', 'signalProcess', 'changeLinks'] as const;

for (const verb of ENDS)
  for (const isHeld of [true, false])
    for (const isDone of [true, false])
      test(`a life ends ${isDone ? 'after' : 'before'} ${verb}; the next finds the role ${isHeld ? 'as it was' : 'gone'}`, async () => {
        const b = await ReplicaBench.active();
        const { agent } = b;
        const dead = new Promise<never>(() => undefined);
        const host = b.host as unknown as Record<string, (...words: unknown[]) => Promise<unknown>>;
        const original = host[verb]!;
        const others = ENDS.filter((one) => one !== verb).map((one) => [one, host[one]!] as const);
        const reached = new Promise<void>((resolve) => {
          host[verb] = async (...words) => {
            if (verb === 'changeLinks') await words[2];
            for (const one of ENDS) host[one] = () => dead;
            if (isDone) await original.apply(b.host, words);
            resolve();
            return dead;
          };
        });
        b.router.float(2, '203.0.113.9', '10.0.1.7');
        void agent.reconcile(b.router.key, new AbortController().signal);
        await reached;
        for (const [one, fn] of others) host[one] = fn;
        host[verb] = original;
        if (!isHeld) losesRole(b);
        b.agent = b.live();
        await b.converge();
        if (isHeld) assert.ok((await outside(b)).includes(MORE), 'at once');
        else assert.deepEqual(await outside(b), [], 'at once');
        await b.settle();
        assert.deepEqual(await outside(b), isHeld ? withMore(MORE) : []);
        assert.match((await b.file('keepalived.told')) ?? '', /203\.0\.113\.9\/32/);
        assert.ok(b.signals.includes('HUP'));
      });

test('what a stand-by needs only should it become active may wait; what wires it may not, nor may an active', async () => {
  const b = new ReplicaBench();
  const waits = (kind: string) =>
    b.agent.patienceMs?.({ group: b.router.key, key: `${kind}/x`, before: undefined, after: undefined });
  assert.equal(waits('floating-ip'), 0, 'nothing is known yet');
  await b.begin();
  assert.deepEqual(
    ['floating-ip', 'forwarding', 'interface', 'router', 'replica'].map(waits),
    [100, 100, 0, 0, 0],
  );
  b.turn('add-address');
  assert.equal(waits('floating-ip'), 0);
  b.host.meddle(b.router.namespace, { op: 'delete-address', link: HA, address: OWN });
  assert.equal(waits('floating-ip'), 100);
});

test('what a look will find is what the steps leave', () => {
  const link = { name: QG, kind: 'veth', up: true, mtu: 1500, mac: '', master: null } as const;
  const wiring = { links: [{ ...link, addresses: ['a', 'b'] }], taps: new Map(), routes: [] };
  const after = foreseen(wiring, [
    { op: 'add-address', link: QG, address: 'b' },
    { op: 'add-address', link: QG, address: 'c' },
    { op: 'delete-address', link: QG, address: 'a' },
    { op: 'add-address', link: 'other', address: 'd' },
  ]);
  assert.deepEqual(after.links?.[0]?.addresses, ['b', 'c']);
});
