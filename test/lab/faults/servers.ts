/** Faults of servers and of their database. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { hostsOf } from '../../../src/lab/layout.ts';
import { mustRun } from '../../../src/lab/program.ts';
import { end, findRunning } from '../../../src/lab/processes.ts';
import { serviceName } from '../../../src/lab/services.ts';
import { realClock } from '../../../src/lib/clock.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { countsOf } from '../feed-counts.ts';
import { PATIENCE_MS, type Port } from '../stage.ts';
import type { Fault, Trouble } from './fault.ts';

const serverKilled: Fault = {
  name: 'server-killed',
  summary: 'one of two servers is killed (kill -9); it is started again by what supervises it',
  lab: 'servers',
  losesHost: false,
  countedFrom: 'cause',
  mender: 'then its agents connect to another',
  async cause({ stage, note }) {
    await stage.lab.kill('ctl1', 'server');
    note('kill -9 of server ctl1');
  },
};

const databaseDown: Fault = {
  name: 'database-down',
  summary: 'the database is gone for a while (kill -9): agents keep all they have',
  lab: 'servers',
  losesHost: false,
  lasts: { short: 6, long: 30 },
  countedFrom: 'heal',
  mender: 'then the servers connect again',
  async cause({ stage, supervisor, note }) {
    supervisor.hold('database');
    await stage.lab.kill('ctl1', 'database');
    note('kill -9 of the database');
  },
  async heal({ stage, supervisor }) {
    await stage.lab.startDatabase({ timeoutMs: PATIENCE_MS });
    const at = epochMs();
    supervisor.release('database');
    return at;
  },
};

const portIn = (memory: ReadonlyMap<string, string>, name: string) => JSON.parse(memory.get(name)!) as Port;

const dataOf = ({ stage }: Trouble) => join(stage.lab.node('ctl1').directory, 'data');
const backupOf = ({ stage }: Trouble) => join(stage.lab.node('ctl1').directory, 'backup');

/** Ends the server, which brings its own database, in order. */
async function stopServer({ stage: { lab }, supervisor }: Trouble): Promise<void> {
  supervisor.hold('ctl1');
  const record = findRunning(lab.layout.stateDirectory, serviceName(lab.node('ctl1'), 'server'));
  if (record) await end(realClock, [record], PATIENCE_MS);
}

/** Gives when it answered. */
async function startServer({ stage: { lab }, supervisor }: Trouble): Promise<number> {
  await lab.waitForServer('ctl1', { timeoutMs: PATIENCE_MS });
  const at = epochMs();
  supervisor.release('ctl1');
  return at;
}

/** Keeps a backup, then changes much; the backup comes back. The agents must end with what it says. */
const backupRestored: Fault = {
  name: 'backup-restored',
  summary: 'an older backup of the database is put back: hosts end with what it says',
  lab: 'hosts',
  losesHost: false,
  losesWrites: true,
  lasts: { short: 0, long: 0 },
  countedFrom: 'heal',
  mender: 'agents compare with the restored log and fetch what differs',
  async prepare(trouble) {
    const { stage, subject, memory, note } = trouble;
    const kept = await stage.port(subject.network, undefined, { name: 'in-the-backup' });
    await stage.untilServed(kept);
    await stopServer(trouble);
    await mustRun(['cp', '-a', dataOf(trouble), backupOf(trouble)]);
    await startServer(trouble);
    note('a backup is made');
    const lost = await stage.port(subject.network, undefined, { name: 'after-the-backup' });
    await stage.lab.api('DELETE', `/v2.0/ports/${kept.id}`);
    await stage.untilServed(lost);
    await stage.settle();
    memory.set('kept', JSON.stringify(kept)).set('lost', JSON.stringify(lost));
  },
  async cause(trouble) {
    await stopServer(trouble);
    rmSync(dataOf(trouble), { recursive: true });
    await mustRun(['mv', backupOf(trouble), dataOf(trouble)]);
    trouble.note('the backup is back');
  },
  heal: startServer,
  async isMended({ stage, memory }) {
    // What the restored rows say of agents is of before: they must have come to this server.
    const { resumes, snapshots } = await countsOf(stage, 'ctl1');
    const watching = resumes + snapshots;
    if (watching < hostsOf(stage.lab.layout).length) throw new Error(`${watching} agents watch`);
    return stage.servingHosts(portIn(memory, 'kept')).length > 0;
  },
  async afterwards({ stage, memory, note }) {
    const lost = portIn(memory, 'lost');
    // Removals are collected, by default for half a minute, before dnsmasq reads its files again.
    await stage.untilForgotten(lost.mac_address, 60_000);
    note('what the backup does not know is forgotten');
  },
};

export const SERVER_FAULTS: readonly Fault[] = [backupRestored, serverKilled, databaseDown];
