import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { STATE_VARIABLE } from '../host/linux/processes.ts';
import { realClock } from '../lib/clock.ts';
import {
  end,
  findRunning,
  interrupt,
  isMarked,
  isRunning,
  isStopped,
  launch,
  logOf,
  programName,
  readRecords,
  scanProcesses,
  signal,
} from './processes.ts';
import { until } from './until.ts';

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'dtn-processes-'));
  t.after(async () => {
    await end(realClock, readRecords(path), 0);
    rmSync(path, { recursive: true });
  });
  return path;
}

test('a launched process is recorded, found, paused, resumed and ended', async (t) => {
  const stateDirectory = directory(t);
  const record = await launch({ stateDirectory, name: 'h1.agent', argv: ['sleep', '1000'] });
  assert.deepEqual(findRunning(stateDirectory, 'h1.agent'), record);
  await until(realClock, { what: 'marked', timeoutMs: 60_000 }, () => isMarked(record.pid, stateDirectory));
  const marked = scanProcesses((pid) => isMarked(pid, stateDirectory));
  assert.deepEqual(marked, [{ pid: record.pid, startTime: record.startTime }]);

  assert.ok(signal(record, 'SIGSTOP'));
  await until(realClock, { what: 'stopped', timeoutMs: 60_000 }, () => isStopped(record));
  await end(realClock, [record], 2000);
  assert.equal(isRunning(record), false, 'also a stopped process ends');
  assert.equal(findRunning(stateDirectory, 'h1.agent'), undefined);
});

test('what an agent of the lab started is the lab’s, in whatever namespace it is', async (t) => {
  const stateDirectory = directory(t);
  const argv = ['env', '-i', `${STATE_VARIABLE}=${stateDirectory}/h1/agent`, '/bin/sleep', '1000'];
  const { pid } = await launch({ stateDirectory, name: 'h1.guard', argv });
  await until(realClock, { what: 'marked', timeoutMs: 60_000 }, () => programName(pid) === 'sleep');
  assert.equal(isMarked(pid, stateDirectory), true);
  assert.equal(isMarked(pid, stateDirectory.slice(0, -1)), false);
});

test('a process that does not mind TERM is killed after the grace time', async (t) => {
  const stateDirectory = directory(t);
  const argv = ['sh', '-c', "trap '' TERM; echo ready; while :; do sleep 1; done"];
  const record = await launch({ stateDirectory, name: 'stubborn', argv });
  await end(realClock, [record], 50);
  assert.equal(isRunning(record), false);
});

test('a process that is interrupted is not asked by TERM', async (t) => {
  const stateDirectory = directory(t);
  const argv = [
    'sh',
    '-c',
    `trap 'echo by INT > ${stateDirectory}/said; exit' INT; trap '' TERM; echo ready; while :; do sleep 0.05; done`,
  ];
  const record = await launch({ stateDirectory, name: 'h1.server', argv });
  const isReady = () => readFileSync(logOf(stateDirectory, 'h1.server'), 'utf8').includes('ready');
  await until(realClock, { what: 'ready', timeoutMs: 60_000 }, isReady);
  await interrupt(realClock, [record], 60_000);
  assert.equal(readFileSync(join(stateDirectory, 'said'), 'utf8'), 'by INT\n');
});

test('another process with the same pid is not ours', async (t) => {
  const stateDirectory = directory(t);
  const record = await launch({ stateDirectory, name: 'h1.agent', argv: ['sleep', '1000'] });
  const former = { pid: record.pid, startTime: '1' };
  assert.equal(isRunning(former), false);
  assert.equal(signal(former, 'SIGKILL'), false);
  await end(realClock, [former], 0);
  assert.ok(isRunning(record));
});

test('a program that is not there is said to be so', async (t) => {
  const stateDirectory = directory(t);
  await assert.rejects(
    launch({ stateDirectory, name: 'x', argv: ['/nonexistent/program'] }),
    /cannot start x/,
  );
});
