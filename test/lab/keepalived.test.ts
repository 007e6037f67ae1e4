/** What `keepalived.ts` renders, given to real keepaliveds: two replicas on one HA segment. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import {
  parseNotice,
  renderKeepalived,
  renderTracked,
  type ReplicaRole,
} from '../../src/agents/l3/keepalived.ts';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import { sh, until } from './l3-stage.ts';

const MISSING =
  spawnSync('sh', ['-c', 'command -v keepalived']).status === 0 ? false : 'SKIPPED: keepalived is missing';

interface Replica {
  readonly namespace: string;
  role: ReplicaRole | null;
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
  sh(`mkfifo ${at('fifo')}`);
  const text = renderKeepalived({
    ...{ name: `replica${rank}`, vrId: 7, link: 'ha', advertMs: 100 },
    addresses: [{ address: '10.0.1.1/24', link: 'qr' }],
    routes: [{ destination: '198.51.100.0/24', nexthop: '10.0.1.10', link: null }],
    ...{ fifo: at('fifo'), tracked: at('health'), lease: at('lease') },
  });
  writeFileSync(at('conf'), text);
  writeFileSync(at('health'), renderTracked({ rank, isPrimary: false, penalty: 0 }));
  // Open for writing too: it never comes to an end while keepalived starts anew.
  const reader = spawn('sh', ['-c', 'exec cat <> "$0"', at('fifo')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const files = ['-f', at('conf'), '-p', at('pid'), '-r', at('vpid')];
  const argv = ['netns', 'exec', namespace, 'keepalived', '-P', '-n', '-l', ...files];
  const child = spawn('ip', argv, { stdio: 'ignore', detached: true });
  const made: Replica = {
    namespace,
    role: null,
    track: (isPrimary, penalty = 0) =>
      writeFileSync(at('health'), renderTracked({ rank, isPrimary, penalty })),
    kill: () => void process.kill(-child.pid!, 'SIGKILL'),
  };
  const lines = createInterface({ input: reader.stdout });
  lines.on('line', (line) => {
    made.role = parseNotice(line)?.role ?? made.role;
  });
  t.after(() => {
    if (child.exitCode === null && child.signalCode === null) made.kill();
    reader.kill('SIGKILL');
  });
  return made;
}

const holds = ({ namespace }: Replica): boolean =>
  sh(`ip -n ${namespace} -4 address show dev qr`).includes('10.0.1.1');
const isOnly = (one: Replica, other: Replica) => () =>
  holds(one) && !holds(other) && one.role === 'primary' && other.role === 'backup';

inOwnNamespaces(import.meta.url, () => {
  test('keepalived takes it, the lower rank leads, health moves the role and healing does not', {
    skip: MISSING,
  }, async (t) => {
    const [first, second] = (await replicas(t)) as [Replica, Replica];
    await until('the lower rank leads', isOnly(first, second));
    first.track(true);
    assert.match(sh(`ip -n ${first.namespace} route`), /198\.51\.100\.0\/24 via 10\.0\.1\.10/);

    first.track(true, 60);
    await until('the healthier leads', isOnly(second, first));
    second.track(true);
    first.track(false);
    await until('nothing moves when it heals', isOnly(second, first));

    second.kill();
    await until('the other leads', () => holds(first) && first.role === 'primary');
  });
});
