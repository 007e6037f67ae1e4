/** What `keepalived.ts` renders, given to real keepaliveds: two replicas on one HA segment. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { ownAddress, renderKeepalived, renderTracked } from '../../src/agents/l3/keepalived.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import { sh, until } from './l3-stage.ts';

const MISSING =
  spawnSync('sh', ['-c', 'command -v keepalived']).status === 0 ? false : 'SKIPPED: keepalived is missing';

const VR_ID = 7;
const GATEWAY = '10.0.1.1/24';

interface Replica {
  readonly namespace: string;
  track(isPrimary: boolean, penalty?: number): void;
  readonly kill: () => void;
}

/** In namespaces `dtn-r0`, `dtn-r1`, with `ha` between them and `qr` on a bridge of the machine `dtn-m`. */
async function replicas(t: TestContext): Promise<Replica[]> {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-ka-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  t.after(() => sh('for n in $(ls /run/netns); do ip netns delete $n; done'));
  sh(`
    ip netns add dtn-m; ip netns add dtn-r0; ip netns add dtn-r1
    ip link add ha netns dtn-r0 type veth peer name ha netns dtn-r1
    ip -n dtn-m link add name br0 type bridge forward_delay 0; ip -n dtn-m link set br0 up
    ip -n dtn-m address add 10.0.1.10/24 dev br0
    for n in 0 1; do
      ip link add name qr netns dtn-r$n type veth peer name r$n netns dtn-m
      ip -n dtn-r$n link set qr address fa:16:3e:00:00:01
      ip -n dtn-m link set r$n master br0 up
      ip -n dtn-r$n address add 169.254.192.$((n + 1))/18 dev ha
      for l in lo ha qr; do ip -n dtn-r$n link set $l up; done
    done`);
  return Promise.all([0, 1].map((rank) => replica(t, { directory, rank })));
}

async function replica(
  t: TestContext,
  { directory, rank }: { directory: string; rank: number },
): Promise<Replica> {
  const at = (name: string) => join(directory, `${name}${rank}`);
  const namespace = `dtn-r${rank}`;
  const text = renderKeepalived({
    ...{ name: `replica${rank}`, vrId: VR_ID, link: 'ha', advertMs: 100 },
    addresses: [{ address: GATEWAY, link: 'qr' }],
    routes: [{ destination: '198.51.100.0/24', nexthop: '10.0.1.10', link: null }],
    ...{ tracked: at('health'), lease: at('lease') },
  });
  writeFileSync(at('conf'), text);
  writeFileSync(at('health'), renderTracked({ rank, isPrimary: false, penalty: 0 }));
  const files = ['-f', at('conf'), '-p', at('pid'), '-r', at('vpid')];
  const argv = ['netns', 'exec', namespace, 'keepalived', '-P', '-n', '-l', ...files];
  const child = spawn('ip', argv, { stdio: 'ignore', detached: true });
  const made: Replica = {
    namespace,
    track: (isPrimary, penalty = 0) =>
      writeFileSync(at('health'), renderTracked({ rank, isPrimary, penalty })),
    kill: () => void process.kill(-child.pid!, 'SIGKILL'),
  };
  t.after(() => {
    if (child.exitCode === null && child.signalCode === null) made.kill();
  });
  return made;
}

const has = (namespace: string, link: string, address: string): boolean =>
  sh(`ip -n ${namespace} -4 address show dev ${link}`).includes(`inet ${address} `);
/** As agents look at it: by the address of VRRP itself. */
const isActive = ({ namespace }: Replica): boolean => has(namespace, 'ha', ownAddress(VR_ID));
/** What the role is good for. */
const serves = ({ namespace }: Replica): boolean =>
  has(namespace, 'qr', GATEWAY) &&
  sh(`ip -n ${namespace} route`).includes('198.51.100.0/24 via 10.0.1.10 dev qr');
const isWhole = (one: Replica) => isActive(one) && serves(one);
const isNothing = (one: Replica) => !isActive(one) && !has(one.namespace, 'qr', GATEWAY);
const isOnly = (one: Replica, other: Replica) => () => isWhole(one) && isNothing(other);

inOwnNamespaces(import.meta.url, () => {
  test('keepalived takes it, the lower rank leads, health moves the role and healing does not', {
    skip: MISSING,
  }, async (t) => {
    const [first, second] = (await replicas(t)) as [Replica, Replica];
    await until('the lower rank leads', isOnly(first, second));
    first.track(true);
    first.track(true, 60);
    await until('the healthier leads', isOnly(second, first));
    second.track(true);
    first.track(false);
    await until('nothing moves when it heals', isOnly(second, first));

    second.kill();
    await until('the other leads', () => isWhole(first));
    assert.ok(isWhole(second), 'killed, it leaves behind what it had: guard.ts takes that away');
  });
});
