/** Scripts on many routers of a fake host: what one of them does to the runs of the others, and what is left of it. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { id } from '../../../test/support/network-objects.ts';
import { FakeHost } from '../../host/fake/fake-host.ts';
import type { GuardedResult, ProgramFacts } from '../../host/host.ts';
import { sleep } from '../../lib/clock.ts';
import { ManualClock } from '../../lib/manual-clock.ts';
import { parseChecks } from './check-script.ts';
import { Checks } from './checks.ts';
import { namespaceOf } from './desired.ts';

const WELL: GuardedResult = { ending: 'exited', code: 0, durationMs: 1, output: '' };
const NO: GuardedResult = { ...WELL, code: 1, output: 'no answer\n' };
const HUNG: GuardedResult = { ...WELL, ending: 'timed-out', code: 137 };
/** As many as a host runs at once, first come first served. */
const PLACES = 16;

const facts = (path: string): ProgramFacts => ({
  steps: [
    { path: '/', kind: 'directory', uid: 0, gid: 0, mode: 0o755 },
    { path, kind: 'file', uid: 0, gid: 0, mode: 0o755 },
  ],
  trusted: [0],
  content: { size: 9, sha256: 'a'.repeat(64), head: '#!/bin/sh' },
  interpreters: [],
});

class Stage {
  readonly clock = new ManualClock();
  readonly failures: string[] = [];
  readonly running = new Map<string, number>();
  readonly most = new Map<string, number>();
  readonly begunOf = new Map<string, number>();
  behave: (path: string, routerId: string) => Promise<GuardedResult> | GuardedResult = () => WELL;
  readonly #line: (() => void)[] = [];
  #taken = 0;
  readonly host = new FakeHost({
    guarded: async ({ argv: [path = '', routerId = ''] }) => {
      if (this.#taken < PLACES) this.#taken++;
      else await new Promise<void>((go) => this.#line.push(go));
      this.begunOf.set(path, (this.begunOf.get(path) ?? 0) + 1);
      this.#count(path, 1);
      const result = await this.behave(path, routerId);
      this.#count(path, -1);
      const next = this.#line.shift();
      if (next) next();
      else this.#taken--;
      return result;
    },
  });
  readonly checks: Checks;
  readonly ids: string[];

  constructor(t: TestContext, lines: readonly string[], routers: number) {
    this.ids = Array.from({ length: routers }, (_, n) => id(n + 1));
    const scripts = parseChecks(lines);
    for (const { path } of scripts) this.host.programs.set(path, facts(path));
    for (const one of this.ids) void this.host.ensureNamespace(namespaceOf(one));
    const held = new Map(this.ids.map((one) => [one, new Map()]));
    this.checks = new Checks({
      ...{ host: this.host, clock: this.clock, hostName: 'h1', scripts, user: 'nobody' },
      routers: () => held,
      onChange: () => undefined,
      onFailure: (error) => this.failures.push((error as Error).message),
    });
    for (const one of this.ids) this.checks.tellRole(one, 'active');
    const stop = new AbortController();
    const run = this.checks.run(stop.signal);
    t.after(async () => {
      stop.abort();
      await run;
    });
  }

  #count(path: string, change: number): void {
    const now = (this.running.get(path) ?? 0) + change;
    this.running.set(path, now);
    this.most.set(path, Math.max(this.most.get(path) ?? 0, now));
  }

  async pass(durationMs: number): Promise<void> {
    for (const end = this.clock.now() + durationMs; this.clock.now() < end; ) {
      this.clock.advance(100);
      for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
    }
  }

  /** How many routers' check of that name stands so. */
  standing(name: string, standing: string): number {
    const of = (routerId: string) =>
      this.checks.verdicts(routerId).find(({ script }) => script.name === name);
    return this.ids.filter((one) => of(one)?.verdict.standing === standing).length;
  }

  text(name: string, routerId: string): string {
    return this.checks.verdicts(routerId).find(({ script }) => script.name === name)?.verdict.text ?? '';
  }
}

test('a script that hangs on every router delays no other script', async (t) => {
  const stage = new Stage(t, ['hangs /a timeout=60', 'quick /b'], 40);
  await stage.pass(22_000);
  assert.equal(stage.standing('quick', 'passes'), 40);
  let isWell = true;
  stage.behave = async (path) => {
    if (path === '/b') return isWell ? WELL : NO;
    await sleep(stage.clock, 60_000);
    return HUNG;
  };
  await stage.pass(70_000);
  assert.equal(stage.most.get('/a'), PLACES / 2);
  isWell = false;
  // 16 runs in a second are asked for, 10 begun at most: each comes every 10 s, and two in a row have to say no
  await stage.pass(20_500);
  assert.equal(stage.standing('quick', 'fails'), 40);
});

test('while a run does not end no other of it begins, and that is told', async (t) => {
  const stage = new Stage(t, ['disk /a interval=1', 'quick /b interval=1'], 1);
  const [routerId = ''] = stage.ids;
  await stage.pass(3_000);
  let end = (): void => undefined;
  const gone = new Promise<void>((go) => {
    end = go;
  });
  let runs = 0;
  stage.behave = (path) => {
    if (path === '/b') return WELL;
    runs++;
    return { ...HUNG, gone };
  };
  await stage.pass(10_000);
  assert.equal(runs, 1);
  assert.equal(stage.standing('disk', 'broken'), 1);
  assert.match(stage.text('disk', routerId), /an earlier run does not end/);
  assert.deepEqual(stage.failures.length, 1);
  assert.match(stage.failures.join(), /check disk of router .* an earlier run does not end/);
  assert.equal(stage.standing('quick', 'passes'), 1);
  stage.behave = () => WELL;
  end();
  await stage.pass(3_000);
  assert.equal(stage.standing('disk', 'passes'), 1);
});

test('with some runs that do not end a script is begun for no router', async (t) => {
  const stage = new Stage(t, ['disk /a interval=1', 'quick /b interval=1'], 30);
  stage.behave = (path) => (path === '/b' ? WELL : { ...HUNG, gone: new Promise(() => undefined) });
  await stage.pass(60_000);
  assert.equal(stage.standing('disk', 'broken'), 30);
  assert.match(
    stage.ids.map((one) => stage.text('disk', one)).join(),
    /\d+ runs for other routers do not end/,
  );
  assert.equal(stage.standing('quick', 'passes'), 30);
  assert.ok(stage.failures.length <= PLACES, `${stage.failures.length}`);
  assert.ok((stage.begunOf.get('/a') ?? 0) <= PLACES / 2, `${stage.begunOf.get('/a')}`);
});

test('a script on what does not answer is looked at once, and told', async (t) => {
  const stage = new Stage(t, ['disk /a interval=1', 'quick /b interval=1'], 2);
  const { host } = stage;
  const look = host.inspectProgram.bind(host);
  let looks = 0;
  host.inspectProgram = (path) => {
    if (path !== '/a') return look(path);
    looks++;
    return new Promise(() => undefined);
  };
  await stage.pass(30_000);
  assert.equal(looks, 1);
  assert.equal(stage.standing('disk', 'broken'), 2);
  assert.match(stage.text('disk', stage.ids[0] ?? ''), /\/a: it cannot be looked at/);
  assert.equal(stage.standing('quick', 'passes'), 2);
});
