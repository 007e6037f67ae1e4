/** What bad programs of an operator's do: nothing of them is left, and nothing outside is touched. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  globSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { inOwnNamespaces } from '../../../test/support/own-namespaces.ts';
import { until } from '../../../test/support/linux-host.ts';
import { realClock, sleep } from '../../lib/clock.ts';
import type { GuardedResult, Host } from '../host.ts';
import { countOthers } from './guarded.ts';
import { createLinuxHost } from './linux-host.ts';

const canChangeUser = readFileSync('/proc/self/setgroups', 'utf8').trim() !== 'deny';

interface Ground {
  readonly host: Host;
  /** Found in the command line of whatever it started. */
  readonly mark: string;
  run(script: string, fields?: { timeoutMs?: number; namespace?: string }): Promise<GuardedResult>;
  /** With twice the limit as long as the machine is too busy for it to begin in time. */
  runFor(timeoutMs: number, script: string): Promise<GuardedResult>;
}

function ground(t: TestContext): Ground {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-guard-'));
  chmodSync(directory, 0o755);
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const host = createLinuxHost({ stateDirectory: join(directory, 'state'), clock: realClock });
  const path = join(directory, 'script');
  const made: Ground = {
    host,
    mark: path,
    async run(script, { timeoutMs = 60_000, namespace = null as string | null } = {}) {
      writeFileSync(path, `#!/bin/sh\n${script}\n`);
      chmodSync(path, 0o755);
      const user = canChangeUser ? await host.findUser('nobody') : null;
      const environment = { DEUTERON_ROUTER_ID: 'r1' };
      return host.runGuarded({ namespace, argv: [path, 'first', 'se cond'], user, environment, timeoutMs });
    },
    async runFor(timeoutMs, script) {
      const result = await made.run(script, { timeoutMs });
      return result.ending === 'not-started' ? made.runFor(timeoutMs * 2, script) : result;
    },
  };
  return made;
}

/** Command lines of processes that run the script, or what it became. */
function left(mark: string): string[] {
  return globSync('/proc/[0-9]*/cmdline')
    .map((path) => {
      try {
        return readFileSync(path, 'latin1').replaceAll('\0', ' ');
      } catch {
        return ''; // it ended meanwhile
      }
    })
    .filter((line) => line.includes(mark));
}

/** On a very busy host who ended it may be told of it a moment before the last of them is gone. */
const untilNoneLeft = (mark: string) => until('nothing is left', () => left(mark).length === 0);

if (process.env['DEUTERON_TEST_INSIDE'] === undefined)
  test('what runs make does not raise the limit of the next, what is left of a run does', () => {
    const own = new Map([
      [10, 1],
      [11, 10],
      [12, 11],
    ]);
    const bomb = Array.from({ length: 60 }, (_, n) => [100 + n, n < 30 ? 10 : 70 + n] as const);
    const daemon = [[50, 1]] as const;
    const left = [
      [60, 1],
      [61, 60],
    ] as const;
    const all = new Map([...own, ...bomb, ...daemon, ...left]);
    assert.equal(countOthers(all, new Set([10])), 3);
    assert.equal(countOthers(all, new Set([10, 60])), 1);
    assert.equal(countOthers(all, new Set()), all.size);
    assert.equal(countOthers(new Map([[5, 5]]), new Set([10])), 1);
  });

inOwnNamespaces(import.meta.url, () => {
  test('it gets its arguments and environment, and nothing else', async (t) => {
    const { run } = ground(t);
    const { ending, code, output } = await run('echo "$1|$2|$#"; env | sort | cut -d= -f1; pwd');
    assert.deepEqual([ending, code], ['exited', 0]);
    assert.deepEqual(output.trim().split('\n'), [
      'first|se cond|2',
      ...['DEUTERON_ROUTER_ID', 'LC_ALL', 'PATH', 'PWD', '/'],
    ]);
  });

  test('what it says and its code come back', async (t) => {
    const { run } = ground(t);
    const result = await run('echo no answer >&2; exit 3');
    assert.deepEqual([result.ending, result.code, result.output], ['exited', 3, 'no answer\n']);
  });

  test('it runs in the namespace, without any privilege', async (t) => {
    const { host, run } = ground(t);
    await host.ensureNamespace('dtn-g');
    const links = [
      {
        op: 'add-veth',
        name: 'v0',
        mtu: 1500,
        peer: { name: 'inside0', namespace: 'dtn-g', mac: '02:00:00:00:00:01' },
      },
    ] as const;
    assert.deepEqual(await host.changeLinks(null, links), [null]);
    const { output } = await run(
      'grep -E "^(Cap(Eff|Prm|Bnd)|NoNewPrivs)" /proc/self/status; cat /proc/self/oom_score_adj; id -u; ip link set inside0 up 2>/dev/null || echo refused; ip -o link show inside0 | grep -c inside0',
      { namespace: 'dtn-g' },
    );
    const none = '0000000000000000';
    const uid = canChangeUser ? '65534' : '0';
    assert.deepEqual(output.trim().split(/\s+/), [
      ...['CapPrm:', none, 'CapEff:', none, 'CapBnd:', none, 'NoNewPrivs:', '1', '1000', uid, 'refused', '1'],
    ]);
  });

  test('one that hangs is ended in time', async (t) => {
    const { runFor, mark } = ground(t);
    const { ending } = await runFor(300, `trap "" TERM INT HUP; while :; do sleep 1000; done`);
    assert.equal(ending, 'timed-out');
    await untilNoneLeft(mark);
  });

  test('what it leaves running ends with it, also in a session of its own', async (t) => {
    const { run, mark } = ground(t);
    const { ending, code } = await run(`setsid sh -c "sleep 1000; : ${mark}" > /dev/null 2>&1 &\nexit 0`);
    assert.deepEqual([ending, code], ['exited', 0]);
    await untilNoneLeft(mark);
  });

  test('one that forks without end is bounded and ended', async (t) => {
    const { runFor, mark } = ground(t);
    let isOver = false;
    const running = runFor(1_000, `f() { f | f & }; (f); while :; do :; done`).finally(() => {
      isOver = true;
    });
    for (; !isOver; await sleep(realClock, 50)) {
      const count = left(mark).length;
      assert.ok(count <= 80, `${count}`);
    }
    assert.equal((await running).ending, 'timed-out');
    await untilNoneLeft(mark);
  });

  test('one that floods its output is cut off', async (t) => {
    const { run } = ground(t);
    const { ending, output } = await run('while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done');
    assert.equal(ending, 'flooded');
    assert.ok(output.length <= 4096);
  });

  test('one that fills what everybody may write fills its own, and that goes with it', async (t) => {
    const { run, mark } = ground(t);
    const places = ['/tmp', '/var/tmp', '/dev/shm', '/run/lock'].filter((one) => existsSync(one));
    const name = `dtn-fill-${process.pid}`;
    const files = () => places.flatMap((place) => globSync(`${place}/${name}*`));
    t.after(() => {
      for (const file of files()) rmSync(file);
    });
    const mounts = () => readFileSync('/proc/self/mountinfo', 'latin1');
    const before = mounts();
    const { ending, output } = await run(`
      for at in ${places.join(' ')}; do
        for n in 1 2 3 4 5 6 7 8 9; do head -c 1000000 /dev/zero > $(mktemp $at/${name}.XXXXXX) 2> /dev/null; done
      done
      cat /tmp/${name}.* | wc -c
      df -P ${places.join(' ')} | awk 'NR > 1 { print $2 }' | sort -u
      rm -f /tmp/${name}.*
      n=0; while [ $n -lt 1100 ] && true 2> /dev/null > /tmp/${name}.$n; do n=$((n + 1)); done
      exec 2> /dev/null; ls /tmp | grep -c ${name}; echo no > ${mark} || echo read-only`);
    assert.equal(ending, 'exited');
    const [bytes = '', blocks, names = '', own] = output.trim().split('\n');
    assert.deepEqual([blocks, own], ['16384', 'read-only'], output);
    assert.ok(Number(bytes) > 15 * 2 ** 20 && Number(bytes) <= 16 * 2 ** 20, output);
    assert.ok(Number(names) > 900 && Number(names) < 1024, output);
    assert.deepEqual(files(), []);
    assert.equal(mounts(), before);
    const second = await run(`ls -A /tmp | grep -c ${name}`);
    assert.equal(second.output.trim(), '0');
  });

  test('one takes no memory that nobody counts: neither of System V nor by mounts of its own', async (t) => {
    const { run } = ground(t);
    const { output } = await run(`exec 2> /dev/null
      ipcmk -M 4096 > /dev/null || echo no shared memory
      ipcmk -Q > /dev/null || echo no messages
      unshare --user --map-root-user --mount true || echo no namespace
      cat /etc/hostname > /dev/null && echo files as ever; ls -A /`);
    const [memory, messages, namespace, files, ...names] = output.trim().split('\n');
    assert.deepEqual(
      [memory, messages, namespace, files],
      ['no shared memory', 'no messages', 'no namespace', 'files as ever'],
    );
    assert.deepEqual(names.sort(), readdirSync('/').sort());
  });

  test('what does not end although it was killed is told until it is gone', async (t) => {
    const { run, runFor, mark } = ground(t);
    assert.equal((await run('exit 0')).gone, undefined);
    const script = `/bin/sh\0${mark}\0`;
    const found = () =>
      globSync('/proc/[0-9]*/cmdline').find((path) => {
        try {
          return readFileSync(path, 'latin1').startsWith(script);
        } catch {
          return false; // it ended meanwhile
        }
      });
    const running = runFor(4_000, 'sleep 1000');
    await until('it runs', () => found() !== undefined);
    // PTRACE_SEIZE: who is traced is gone only when the one that traces has asked how it ended, and this one never does
    const call = process.arch === 'arm64' ? 117 : 101;
    const trace = `syscall(${call}, 0x4206, ${found()?.split('/')[2]}, 0, 0) == 0 or exit 1; sleep 1000`;
    const tracer = spawn('perl', ['-e', trace], { stdio: 'ignore' });
    t.after(() => tracer.kill('SIGKILL'));
    const { ending, gone } = await running;
    if (tracer.exitCode !== null) return t.skip('SKIPPED: needs perl and ptrace');
    assert.equal(ending, 'timed-out');
    assert.ok(gone, 'told');
    let isGone = false;
    const end = gone.then(() => {
      isGone = true;
    });
    assert.equal((await run('exit 0')).ending, 'exited');
    assert.equal(isGone, false);
    tracer.kill('SIGKILL');
    await end;
  });

  test('one that eats memory is refused it', async (t) => {
    const { run } = ground(t);
    const { ending, code } = await run('exec awk \'BEGIN { s = "x"; while (1) s = s s }\' 2> /dev/null');
    assert.notDeepEqual([ending, code], ['exited', 0]);
    assert.notEqual(ending, 'timed-out');
  });

  test('what cannot be begun is told from what failed', async (t) => {
    const { run, host } = ground(t);
    assert.equal((await run('exit 0', { namespace: 'dtn-none' })).ending, 'not-started');
    const user = canChangeUser ? await host.findUser('nobody') : null;
    const gone = { namespace: null, argv: ['/nowhere/at/all'], user, environment: {}, timeoutMs: 60_000 };
    const result = await host.runGuarded(gone);
    assert.deepEqual([result.ending, result.code], ['exited', 127]);
    const died = await run('kill -9 1; kill -SEGV $$');
    assert.deepEqual([died.ending, died.code], ['signalled', 139]);
  });

  test('owner, mode and content of each step of its path are told', async (t) => {
    const { run, mark, host } = ground(t);
    await run('exit 0');
    const { steps, trusted, content } = await host.inspectProgram(mark);
    assert.deepEqual(steps.map(({ kind }) => kind).at(-1), 'file');
    assert.equal(steps.at(-1)?.mode, 0o755);
    assert.equal(steps[0]?.path, '/');
    assert.ok(trusted.includes(steps[0]?.uid ?? -1));
    assert.match(content?.head ?? '', /^#!\/bin\/sh/);
    assert.match(content?.sha256 ?? '', /^[0-9a-f]{64}$/);
    const missing = await host.inspectProgram('/nowhere/at/all');
    assert.equal(missing.content, null);
    assert.equal(missing.steps.at(-1)?.kind, 'missing');
  });
});
