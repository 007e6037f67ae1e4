import assert from 'node:assert/strict';
import { cpSync, chmodSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostsOf } from '../../../src/lab/layout.ts';
import type { Machine } from '../../../src/lab/machine.ts';
import { runProgram } from '../../../src/lab/program.ts';
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { countsOf } from '../feed-counts.ts';
import { type Network, PATIENCE_MS, type Port, type Stage } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

const DEUTERON = fileURLToPath(new URL('../../../bin/deuteron', import.meta.url));
/** Removals are collected (`FORGETFUL`) before dnsmasq reads its files again. */
const FORGET_MS = 60_000;

const SERVERS = ['ctl1', 'ctl2', 'ctl3'];

const dataDirectory = (stage: Stage): string => join(stage.lab.node('ctl1').directory, 'data');

/** Does something to the files of the stopped database; servers and agents run on. */
async function whileStopped(stage: Stage, work: (cluster: string) => void): Promise<void> {
  // PostgreSQL's fast shutdown
  stage.lab.signal('ctl1', 'database', 'SIGINT');
  await stage.until('the database has stopped', () => stage.lab.find('ctl1', 'database').length === 0);
  work(join(dataDirectory(stage), 'postgres'));
  await stage.lab.startDatabase({ timeoutMs: PATIENCE_MS });
  for (const server of SERVERS) {
    await stage.until(`${server} is ready`, () =>
      stage.lab.api('GET', '/readyz', undefined, server).then(() => true),
    );
  }
}

/** Asks for leases for as long as it runs; `longest` is the most that went unanswered in a row. */
function askOnAndOn(stage: Stage, machine: Machine) {
  const ending = new AbortController();
  const seen = { asked: 0, longest: 0 };
  const running = (async () => {
    let unanswered = 0;
    while (!ending.signal.aborted) {
      unanswered = (await stage.askOnce(machine)) === undefined ? unanswered + 1 : 0;
      seen.asked++;
      seen.longest = Math.max(seen.longest, unanswered);
      await sleep(realClock, 200, ending.signal);
    }
  })();
  const end = async () => {
    ending.abort();
    await running;
    return seen;
  };
  return { end };
}

async function snapshots(stage: Stage): Promise<number> {
  const counts = await Promise.all(SERVERS.map((server) => countsOf(stage, server)));
  return counts.reduce((sum, one) => sum + one.snapshots, 0);
}

interface Before {
  readonly network: Network;
  readonly kept: Port;
  readonly machine: Machine;
  readonly doomed: Port;
}

async function restore({ stage, note }: Scene, { network, kept, doomed }: Before): Promise<void> {
  const copy = join(dataDirectory(stage), 'backup');
  await whileStopped(stage, (cluster) => cpSync(cluster, copy, { recursive: true }));
  note('a backup is made');
  const later = [await stage.port(network, 'h1'), await stage.port(network, 'h3')];
  const other = await stage.network();
  later.push(await stage.port(other, 'h2'));
  await stage.lab.api('DELETE', `/v2.0/ports/${doomed.id}`);
  for (const port of later) await stage.untilServed(port);
  await stage.settle();
  note('after it three ports are made, one is deleted, a network is made');

  await whileStopped(stage, (cluster) => {
    rmSync(cluster, { recursive: true });
    renameSync(copy, cluster);
    chmodSync(cluster, 0o700);
  });
  const began = realClock.now();
  note('the backup is restored under running servers and agents');
  // positions that were given before are given again
  const again = await stage.port(network, 'h2');
  await stage.untilServed(again);
  await stage.untilServed(doomed);
  await stage.settle();
  note(`all agents have realised it after ${((realClock.now() - began) / 1000).toFixed(1)} s`);
  for (const port of later) await stage.untilForgotten(port.mac_address, FORGET_MS);
  for (const port of [kept, doomed, again]) assert.ok(stage.servingHosts(port).length > 0);
  note('what was made after the backup is gone from the hosts, what was deleted after it is served again');
}

/** Design 2: a restored backup is noticed by the places alone; an epoch makes every agent compare. */
export const restoreBackup: Story = {
  name: 'restore-backup',
  summary:
    'an older backup is restored under running agents: hosts follow it, what it has is served throughout',
  hosts: 3,
  servers: 3,
  async tell(scene) {
    const { stage, note } = scene;
    const network = await stage.network();
    const { port: kept, machine } = await stage.machineThatAsks(network, 'h2');
    const doomed = await stage.port(network, 'h1');
    await stage.lease(machine);
    await stage.untilServed(doomed);
    await stage.settle();
    const asking = askOnAndOn(stage, machine);
    try {
      await restore(scene, { network, kept, machine, doomed });
      const before = await snapshots(stage);
      const argv = [DEUTERON, 'database', 'epoch', '--data-directory', dataDirectory(stage)];
      const { code, stdout, stderr } = await runProgram(argv);
      assert.equal(code, 0, stderr);
      note(stdout.trim());
      const compared = async () => (await snapshots(stage)) - before >= hostsOf(stage.lab.layout).length;
      await stage.until('every agent has compared its groups', compared);
      await stage.settle();
      const port = await stage.port(network, 'h3');
      await stage.untilServed(port);
      await stage.settle();
    } finally {
      const { asked, longest } = await asking.end();
      note(`leases were asked for ${asked} times, at most ${longest} in a row without an answer`);
      assert.ok(longest <= 1, 'DHCP was served throughout');
    }
  },
};
