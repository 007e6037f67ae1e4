/** Labs for trials: one for each kind, kept as long as the trials in it end well. */
import { globSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { callApi } from '../../../src/cli/api-client.ts';
import { Lab } from '../../../src/lab/lab.ts';
import type { ServiceOptions } from '../../../src/lab/services.ts';
import { realClock } from '../../../src/lib/clock.ts';
import { strikeStage } from '../playbill.ts';
import { type Network, Stage } from '../stage.ts';
import type { LabKind } from './fault.ts';
import { makeSubject, type Subject } from './subject.ts';
import { Supervisor } from './supervisor.ts';

export interface Grounds {
  readonly id: string;
  readonly stage: Stage;
  readonly subject: Subject;
  readonly others: readonly Network[];
  readonly supervisor: Supervisor;
}

/** Enough that every host serves some. */
const OTHER_NETWORKS = 3;
const DISK_MB = 24;

/** Where the processes of a lab whose clocks can be set read how far theirs is off. */
export const offsetFile = (id: string): string => join('/tmp', `deuteron-lab-${id}.clock`);

/** Debian's libfaketime; undefined where it is not installed. */
export const findFaketime = (): string | undefined => globSync('/usr/lib/*/faketime/libfaketime.so.1')[0];

/** Only the wall clock is set: a real step of it leaves the monotonic clock alone too. */
function clockEnvironment(id: string): Record<string, string> {
  const library = findFaketime();
  if (library === undefined) throw new Error('libfaketime is missing (Debian package faketime)');
  writeFileSync(offsetFile(id), '+0\n', { mode: 0o644 });
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: offsetFile(id),
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_RESET: '1',
  };
}

export async function openGrounds(
  id: string,
  kind: LabKind,
  agentOptions: ServiceOptions = {},
): Promise<Grounds> {
  const lab = await Lab.up({
    clock: realClock,
    callApi: (url, method, path, body) => callApi({ url }, method, path, body),
    id,
    hosts: 3,
    servers: kind === 'servers' ? 2 : 1,
    apiPort: null,
    serverOptions: { 'agent-down-seconds': '2', 'quota-port': '-1', 'quota-network': '-1' },
    agentOptions,
    agentDiskMb: DISK_MB,
    ...(kind === 'clocks' ? { environment: clockEnvironment(id) } : {}),
  });
  try {
    const stage = new Stage(lab);
    const subject = await makeSubject(stage);
    const others: Network[] = [];
    for (let at = 0; at < OTHER_NETWORKS; at++) others.push(await stage.network());
    return { id, stage, subject, others, supervisor: new Supervisor(stage) };
  } catch (error) {
    await strikeStage(id);
    throw error;
  }
}

export async function closeGrounds(grounds: Grounds): Promise<void> {
  await grounds.supervisor.stop();
  await strikeStage(grounds.id);
  rmSync(offsetFile(grounds.id), { force: true });
}
