/** R29 to R34: what check scripts do to a router, and what bad ones do not. In its long form it prints a table. */
import assert from 'node:assert/strict';
import { chmodSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nextRun } from '../../../src/agents/l3/check-plan.ts';
import { formatTable } from '../../../src/cli/table.ts';
import { hostsOf } from '../../../src/lab/layout.ts';
import { configureAgent } from '../../../src/lab/services.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { shownActive } from '../ha/view.ts';
import { answersOutside, externalNetwork, floatingIp, router } from '../routers.ts';
import { FORGETFUL, type Stage } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

/** What the scripts of each host do from now on, as shell text. */
type Behaviour = Readonly<Record<string, string>>;

interface Case {
  readonly name: string;
  /** By the host that is active now, and the others. */
  readonly behave: (active: string, others: readonly string[]) => Behaviour;
  readonly expect: 'moves' | 'stays' | 'few moves';
  readonly forms: readonly Scene['form'][];
  readonly watchMs: number;
  /** An alert of this kind is open at the end. */
  readonly alert?: string;
}

const ONE = (script: string) => (active: string) => ({ [active]: script });
const ALL = (script: string) => (active: string, others: readonly string[]) =>
  Object.fromEntries([active, ...others].map((host) => [host, script]));
const HANG = 'trap "" TERM INT HUP; while :; do sleep 1000; done';
const NO = 'echo no answer; exit 1';
const LEAVE = 'setsid sleep 1000 & exit 0';
const FORK = 'f() { f | f & }; (f); while :; do :; done';
const FLOOD = 'while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done';
/** As much as it may, wherever it may, each time; a file that was left is found by its name. */
const FILL = `for at in /tmp /var/tmp /dev/shm /run/lock; do
  n=0; while [ $n -lt 300 ] && head -c 1000000 /dev/zero > $at/dtn-fill-$$.$n; do n=$((n + 1)); done
done 2> /dev/null; exit 0`;
const FILLED = '{/tmp,/var/tmp,/dev/shm,/run/lock}/dtn-fill-*';
const CHANCE = 'exit $(($(od -An -N1 -tu1 /dev/urandom) % 2))';
const EVERYWHERE = 'check-fails-everywhere';
const EVERY_MS = 1_000;
const BOTH = ['short', 'long'] as const;
const LONG = ['long'] as const;

/** In this order: after a script that moved the active it takes a while until all are well again. */
const CASES: readonly Case[] = [
  { name: 'fills the disk', behave: ONE(FILL), expect: 'stays', forms: BOTH, watchMs: 3_000 },
  { name: 'floods its output', behave: ONE(FLOOD), expect: 'stays', forms: BOTH, watchMs: 2_000 },
  {
    name: 'fails everywhere',
    behave: ALL(NO),
    expect: 'stays',
    forms: BOTH,
    watchMs: 2_800,
    alert: EVERYWHERE,
  },
  { name: 'says no on the active', behave: ONE(NO), expect: 'moves', forms: BOTH, watchMs: 3_500 },
  {
    name: 'hangs everywhere',
    behave: ALL(HANG),
    expect: 'stays',
    forms: LONG,
    watchMs: 8_000,
    alert: EVERYWHERE,
  },
  { name: 'leaves processes behind', behave: ONE(LEAVE), expect: 'stays', forms: LONG, watchMs: 5_000 },
  { name: 'crashes', behave: ONE('kill -SEGV $$'), expect: 'stays', forms: LONG, watchMs: 5_000 },
  { name: 'hangs on the active', behave: ONE(HANG), expect: 'moves', forms: LONG, watchMs: 8_000 },
  { name: 'forks without end', behave: ONE(FORK), expect: 'moves', forms: LONG, watchMs: 8_000 },
  {
    name: 'answers by chance on all',
    behave: ALL(CHANCE),
    expect: 'few moves',
    forms: LONG,
    watchMs: 60_000,
  },
];

const OPTIONS = (script: string) => ({
  'check-scripts': `it ${script} interval=1 timeout=1 fall=2 rise=1`,
  'check-hold-seconds': '2',
  'link-hold-seconds': '1',
});
/** Of the story's own hold-down (2 s), in a minute, on three replicas. */
const FEW = 15;

class Scripts {
  readonly #root = mkdtempSync(join(tmpdir(), 'dtn-checks-'));

  constructor(hosts: readonly string[]) {
    chmodSync(this.#root, 0o755);
    for (const host of hosts) {
      mkdirSync(join(this.#root, host), { mode: 0o755 });
      writeFileSync(this.path(host), `#!/bin/sh\n. ${this.#root}/${host}/behaviour\n`);
      chmodSync(this.path(host), 0o755);
    }
    this.behave(Object.fromEntries(hosts.map((host) => [host, 'exit 0'])));
  }

  path(host: string): string {
    return join(this.#root, host, 'check');
  }

  behave(behaviour: Behaviour): void {
    for (const [host, text] of Object.entries(behaviour)) {
      const file = join(this.#root, host, 'behaviour');
      writeFileSync(file, `${text}\n`);
      chmodSync(file, 0o644);
    }
  }

  /** How many processes there are of runs of the scripts. */
  running(): number {
    return globSync('/proc/[0-9]*/cmdline').filter((file) => {
      try {
        return readFileSync(file, 'latin1').includes(this.#root);
      } catch {
        return false; // it ended meanwhile
      }
    }).length;
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

interface World {
  readonly stage: Stage;
  readonly scripts: Scripts;
  readonly hosts: readonly string[];
  readonly routerId: string;
  readonly address: string;
}

/** One replica is active, and all of them are well. */
const untilWell = ({ stage, routerId, address }: World): Promise<string> =>
  stage.until('one replica is active and nothing ails any', async () => {
    const { router: shown } = await stage.lab.api('GET', `/v2.0/deuteron/routers/${routerId}`);
    const ailing = shown.replicas.filter((one: { penalty: number }) => one.penalty > 0);
    if (ailing.length > 0) throw new Error(JSON.stringify(ailing));
    const active = await shownActive(stage.lab, routerId);
    return active.length === 1 && (await answersOutside(stage, address)) ? active[0] : undefined;
  });

async function openAlerts({ stage, routerId }: World): Promise<string[]> {
  const { events } = await stage.lab.api('GET', '/v2.0/deuteron/events?open=true&limit=500');
  return (events as { object: string; data: { alert: string } }[])
    .filter(({ object }) => object === `router/${routerId}`)
    .map(({ data }) => data.alert);
}

/** The agents begin anew, and remember nothing of what scripts have done: the next case does not pay for the last. */
async function forget({ stage }: World): Promise<void> {
  const { lab } = stage;
  for (const host of hostsOf(lab.layout)) {
    await lab.kill(host.name, 'agent');
    rmSync(join(stage.agentFiles(host), 'health.json'), { force: true });
    await lab.start(host.name);
  }
  await stage.settle();
}

interface Outcome {
  readonly moves: number;
  readonly firstMoveMs: number | null;
  readonly lost: number;
  readonly sent: number;
  readonly mostProcesses: number;
  readonly alerts: readonly string[];
}

const NEVER_MS = 60_000;

async function play(world: World, one: Case): Promise<Outcome> {
  const { stage, scripts, hosts, routerId, address } = world;
  const active = await untilWell(world);
  const count = Math.round(one.watchMs / 10);
  const pings = stage.lab.runOutside(['ping', '-n', '-q', '-i', '0.01', '-c', `${count}`, address]);
  // between two runs: one that begins to fail while hosts run it is found by some of them a run later
  const nowMs = realClock.wall().getTime();
  await sleep(
    realClock,
    nextRun(nowMs, EVERY_MS, { script: { intervalMs: EVERY_MS }, routerId }) - nowMs + EVERY_MS / 2,
  );
  const began = realClock.now();
  scripts.behave(
    one.behave(
      active,
      hosts.filter((host) => host !== active),
    ),
  );
  const seen = { moves: 0, firstMoveMs: null as number | null, last: active, mostProcesses: 0 };
  // How soon it moves is a figure; that it does not move at all is told after a while that no busy machine needs.
  const watchMs = one.expect === 'moves' ? Math.max(one.watchMs, NEVER_MS) : one.watchMs;
  while (realClock.now() - began < watchMs) {
    const now = await shownActive(stage.lab, routerId);
    if (now.length === 1 && now[0] !== undefined && now[0] !== seen.last) {
      seen.moves += 1;
      seen.last = now[0];
      seen.firstMoveMs ??= Math.round(realClock.now() - began);
      if (one.expect === 'moves') break;
    }
    seen.mostProcesses = Math.max(seen.mostProcesses, scripts.running());
    await sleep(realClock, 50);
  }
  const { alert } = one;
  if (alert !== undefined)
    await stage.until(`alert ${alert}`, async () => (await openAlerts(world)).includes(alert));
  const alerts = await openAlerts(world);
  scripts.behave(Object.fromEntries(hosts.map((host) => [host, 'exit 0'])));
  const [, sent = '0', received = '0'] =
    /(\d+) packets transmitted, (\d+) received/.exec((await pings).stdout) ?? [];
  const { last: _, ...found } = seen;
  return { ...found, lost: Number(sent) - Number(received), sent: Number(sent), alerts };
}

function assertAsExpected(one: Case, { moves, lost, sent }: Outcome): void {
  if (one.expect === 'moves') assert.equal(moves, 1, `${one.name}: it did not move`);
  else if (one.expect === 'stays') {
    assert.equal(moves, 0, `${one.name}: it moved`);
    assert.ok(lost <= sent / 100, `${one.name}: ${lost} of ${sent} pings were lost`);
  } else assert.ok(moves <= FEW, `${one.name}: ${moves} moves`);
}

async function configure(
  stage: Stage,
  options: (host: string) => Readonly<Record<string, string>>,
): Promise<void> {
  const { lab } = stage;
  for (const host of hostsOf(lab.layout)) {
    configureAgent(lab.layout, host, { ...FORGETFUL, ...options(host.name) });
    await lab.kill(host.name, 'agent');
    await lab.start(host.name);
  }
  await stage.settle();
}

async function tell({ stage, note, form }: Scene): Promise<void> {
  const hosts = hostsOf(stage.lab.layout).map(({ name }) => name);
  const scripts = new Scripts(hosts);
  try {
    await configure(stage, (host) => OPTIONS(scripts.path(host)));
    const external = await externalNetwork(stage);
    const network = await stage.network();
    const { port, machine } = await stage.machineThatAsks(network, 'h1');
    const routerId = await router(stage, external, [network], { ha: true });
    const { address } = await floatingIp(stage, external, port.id);
    await stage.lease(machine);
    const world = { stage, scripts, hosts, routerId, address };
    const rows: string[][] = [];
    for (const one of CASES.filter(({ forms }) => forms.includes(form))) {
      const found = await play(world, one);
      const { moves, firstMoveMs, lost, sent, mostProcesses, alerts } = found;
      const after = firstMoveMs === null ? '-' : `${firstMoveMs}`;
      const row = [
        one.name,
        `${moves}`,
        after,
        `${lost} of ${sent}`,
        `${mostProcesses}`,
        alerts.join(' ') || '-',
      ];
      note(
        `a script that ${row[0]}: ${moves} moves, first after ${after} ms, lost ${row[3]}, alerts ${row[5]}`,
      );
      rows.push(row);
      assertAsExpected(one, found);
      if (form === 'long') await forget(world);
    }
    const head = ['THE SCRIPT', 'MOVES', 'FIRST AFTER MS', 'PINGS LOST', 'PROCESSES', 'ALERTS'];
    if (form === 'long') note(`\n${formatTable(head, rows)}`);
    assert.deepEqual(globSync(FILLED), [], 'no file of a script is left');
    await stage.until('no process of a script is left', () => scripts.running() === 0, 5_000);
  } finally {
    await configure(stage, () => ({}));
    scripts.remove();
  }
}

export const checkScripts: Story = {
  name: 'check-scripts',
  summary:
    'a check script moves the active; one that hangs, forks, floods, fills or fails everywhere harms nothing',
  hosts: 3,
  servers: 1,
  tell,
};
