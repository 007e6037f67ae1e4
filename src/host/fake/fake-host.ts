/**
 * A host in memory: deterministic, no timers, every call done when it returns. Simulation and tests wrap it for delays and
 * faults, and play the machine's other hand with the verbs below `Host`'s own: a hypervisor's tap, a killed process.
 *
 * Host events are told at once, within the call that causes them.
 */
import { untilAborted } from '../../lib/clock.ts';
import type {
  ConnectionFilter,
  FloodStep,
  GuardedResult,
  GuardedRun,
  Host,
  HostEvent,
  Link,
  LinkStep,
  Probe,
  ProcessSignal,
  ProcessSpec,
  ProcessState,
  ProgramFacts,
  Route,
  RouteStep,
  Shaper,
  ShaperStep,
  StepResult,
  TableForm,
  TableState,
  Underlay,
} from '../host.ts';
import { linkName, namespaceName, processName, sysctlPath, tableName } from '../grammar.ts';
import { FakeFiles } from './files.ts';
import { FakeLinks, type ForeignLink } from './links.ts';
import { FakeProbes } from './probes.ts';
import { FakeRoutes } from './routes.ts';
import { applyText, type FakeTable } from './rulesets.ts';
import { formOf } from './table-statements.ts';

export type FakeSignal = ProcessSignal;

/** What a running program does. */
export interface FakeProgram {
  /** What it makes of a signal; KILL is not asked. */
  signalled(signal: FakeSignal): 'ends' | 'stays';
  /** A file of the host, by absolute path, was written, appended to or removed. Called with what it wrote itself, too. */
  fileChanged?(path: string): void;
}

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface FakeHostOptions {
  /** Where `absolute` says that files lie; default `/fake`. */
  readonly stateDirectory?: string;
  /** What a program does once started; without it, or undefined, it runs until any signal ends it. */
  readonly program?: (spec: ProcessSpec, pid: number, host: FakeHost) => FakeProgram | undefined;
  /** What a short program does; without it, or undefined, it ends with code 0 and says nothing. */
  readonly run?: (namespace: string | null, argv: readonly string[], host: FakeHost) => Finished | undefined;
  /** What a program of the operator's does; without it every one ends well at once. */
  readonly guarded?: (run: GuardedRun, host: FakeHost) => GuardedResult | Promise<GuardedResult>;
}

interface Running {
  readonly spec: ProcessSpec;
  readonly pid: number;
  readonly program: FakeProgram | undefined;
  stuck: string | null;
  /** Of those that bore the namespace's name, which it is in. */
  readonly life: number | null;
}

export class FakeHost implements Host {
  readonly files: FakeFiles;
  readonly sysctls = new Map<string, string>();
  readonly #options: FakeHostOptions;
  readonly #links: FakeLinks;
  readonly #routes = new FakeRoutes();
  readonly #shapers = new Map<string, Shaper>();
  readonly #tables = new Map<string | null, Map<string, FakeTable>>();
  readonly #running = new Map<string, Running>();
  readonly #listeners = new Set<(event: HostEvent) => void>();
  readonly #probes = new FakeProbes();
  #lastPid = 100;

  constructor(options: FakeHostOptions = {}) {
    this.#options = options;
    this.files = new FakeFiles(options.stateDirectory ?? '/fake', (path) => {
      for (const { program, stuck } of [...this.#running.values()])
        if (stuck === null) program?.fileChanged?.(path);
    });
    this.#links = new FakeLinks({
      linkChanged: ({ name, namespace }, news) => {
        if (namespace !== null && (news === 'down' || news === 'gone'))
          this.#routes.linkLost(namespace, name);
        if (namespace === null && news === 'gone') this.#shapers.delete(name);
        this.#tell({ type: 'link', name, namespace, news });
      },
      addressChanged: (namespace, news, address) => {
        this.#routes.addressChanged(namespace, address);
        this.#tell({ type: 'address', namespace, news, address });
      },
      namespaceChanged: (name, news) => this.#tell({ type: 'namespace', name, news }),
      floodChanged: (entry, present) => this.#tell({ type: 'flood', ...entry, present }),
    });
  }

  // The machine's other hand.

  /** Another program makes a link, e.g. a hypervisor a tap. */
  plug(link: ForeignLink): void {
    this.#links.addForeign(link);
  }

  /** The kernel has no 802.1Q. */
  loseVlans(): void {
    this.#links.hasVlans = false;
  }

  /** Another hand changes a link, or a flood entry. */
  meddle(namespace: string | null, step: LinkStep): StepResult {
    return this.#links.change(namespace, step);
  }

  meddleFlood(step: FloodStep): StepResult {
    return this.#links.changeFlood(step);
  }

  /** Another hand writes a file of the state directory (path as the verbs take it), or removes it (null). */
  meddleFile(path: string, text: string | null): void {
    const absolute = this.absolute(path);
    if (text === null) this.files.remove(absolute);
    else this.files.write(absolute, text);
    if (this.files.isWatched(absolute)) this.#tell({ type: 'file', path });
  }

  /** Another hand deletes a directory with all that is in it. */
  meddleDirectory(path: string): void {
    this.files.removeTree(this.absolute(path));
    if (this.files.isWatched(this.absolute(path))) this.#tell({ type: 'file', path });
  }

  /** Another hand deletes a table of nftables. */
  meddleTable(namespace: string | null, table: string): void {
    if (!this.#tables.get(namespace)?.delete(tableName(table))) return;
    if (namespace === null) this.#tell({ type: 'ruleset', table });
    if (/ deuteron_/.test(table)) this.#tell({ type: 'inside', what: table });
  }

  /** Another hand changes a route in a namespace. */
  meddleRoute(namespace: string, step: RouteStep): StepResult {
    const result = this.#routes.change(namespace, step, this.#links.list(namespace) ?? []);
    this.#tell({ type: 'inside', what: 'route' });
    return result;
  }

  /** `ip netns delete` by another hand: programs inside keep the namespace; without any it is gone. */
  meddleNamespace(name: string): void {
    const holds = [...this.#running.values()].some(({ spec }) => spec.namespace === name);
    if (holds) this.#links.loseName(name);
    else this.#dropNamespace(name);
  }

  /** A process stands still: it takes no signal but KILL, and does nothing. */
  hangProcess(name: string): void {
    const found = this.#running.get(name);
    if (found === undefined) return;
    found.stuck = 'is stopped';
    this.#tell({ type: 'process-stuck', name });
  }

  /** It goes on. */
  resumeProcess(name: string): void {
    const found = this.#running.get(name);
    if (found !== undefined) found.stuck = null;
  }

  /** A process ends by itself, or is killed by another hand. */
  endProcess(name: string): void {
    const found = this.#running.get(name);
    if (found === undefined) return;
    this.#running.delete(name);
    const { namespace } = found.spec;
    const holds = [...this.#running.values()].some(({ spec }) => spec.namespace === namespace);
    if (namespace !== null && this.#links.isNameless(namespace) && !holds) this.#dropNamespace(namespace);
    this.#tell({ type: 'process-ended', name });
  }

  #dropNamespace(name: string): void {
    this.#links.removeNamespace(namespaceName(name));
    this.#tables.delete(name);
    this.#routes.namespaceLost(name);
  }

  /** Some events were lost. */
  overflow(): void {
    this.#tell({ type: 'overflow' });
  }

  /** A running process: what it was started with, and what it is. */
  process(
    name: string,
  ): { spec: ProcessSpec; pid: number; program: FakeProgram | undefined; stuck: string | null } | undefined {
    return this.#running.get(name);
  }

  table(namespace: string | null, table: string): FakeTable | undefined {
    return this.#tables.get(namespace)?.get(table);
  }

  /** Why it cannot filter; null: it can. */
  filtering: string | null = null;
  /** All connections that were ended. */
  readonly ended: ConnectionFilter[] = [];

  /** The operator puts a program on the host, or another one in its place. */
  readonly programs = new Map<string, ProgramFacts>();
  /** What carries an address, or a link of that name. */
  readonly underlay = new Map<string, Underlay>();

  /** Addresses that are asked for now. */
  probed(): readonly Probe[] {
    return this.#probes.list();
  }

  /** Whoever asks for the address is told whether it answered. */
  answerProbe(address: string, answered: boolean): void {
    this.#probes.answer(address, answered);
  }

  // What agents use.

  async namespaces(): Promise<Set<string>> {
    return this.#links.namespaces();
  }

  async ensureNamespace(name: string, holder?: string): Promise<void> {
    const inside = this.#running.get(holder ?? '')?.spec.namespace === name;
    if (inside && this.#links.isNameless(name)) this.#links.findName(name);
    else this.#links.addNamespace(name);
  }

  async removeNamespace(name: string): Promise<void> {
    this.#dropNamespace(name);
  }

  async links(names?: readonly string[]): Promise<Link[]> {
    const links = this.#links.list(null) ?? [];
    return names === undefined ? links : links.filter((link) => names.includes(link.name));
  }

  async linksIn(namespaces: readonly string[]): Promise<Map<string, Link[]>> {
    const found = new Map<string, Link[]>();
    for (const namespace of namespaces) {
      const links = this.#links.list(namespaceName(namespace));
      if (links !== undefined) found.set(namespace, links);
    }
    return found;
  }

  async changeLinks(
    namespace: string | null,
    steps: readonly LinkStep[],
    mayBegin?: Promise<boolean>,
  ): Promise<StepResult[]> {
    if (mayBegin && !(await mayBegin)) return steps.map(() => null);
    return steps.map((step) => this.#links.change(namespace, step));
  }

  async floodEntries(links?: readonly string[]) {
    const entries = this.#links.floodEntries();
    return links === undefined ? entries : entries.filter((entry) => links.includes(entry.link));
  }

  async changeFloodEntries(steps: readonly FloodStep[]): Promise<StepResult[]> {
    return steps.map((step) => this.#links.changeFlood(step));
  }

  async shapers(): Promise<Map<string, Shaper>> {
    const there = new Set(this.#links.list(null)?.map(({ name }) => name));
    return new Map([...this.#shapers].filter(([link]) => there.has(link)));
  }

  async changeShapers(steps: readonly ShaperStep[]): Promise<StepResult[]> {
    const there = new Set(this.#links.list(null)?.map(({ name }) => name));
    return steps.map((step) => {
      const link = linkName(step.link);
      if (step.op === 'delete') this.#shapers.delete(link);
      else if (!there.has(link)) return `no link ${link}`;
      else this.#shapers.set(link, { bytesPerSecond: step.bytesPerSecond, burstBytes: step.burstBytes });
      return null;
    });
  }

  async applyRuleset(namespace: string | null, text: string): Promise<void> {
    this.#needNamespace(namespace);
    const tables = applyText(this.#tables.get(namespace) ?? new Map(), text);
    this.#tables.set(namespace, tables);
    if (namespace === null) for (const table of tables.keys()) this.#tell({ type: 'ruleset', table });
  }

  async rulesetMark(namespace: string | null, table: string): Promise<string | null> {
    return this.table(namespace, tableName(table))?.mark ?? null;
  }

  async rulesetMarks(namespaces: readonly string[], table: string): Promise<Map<string, string>> {
    const marks = new Map<string, string>();
    for (const namespace of namespaces) {
      const mark = this.table(namespaceName(namespace), tableName(table))?.mark;
      if (mark) marks.set(namespace, mark);
    }
    return marks;
  }

  async tables(namespaces: readonly string[], table: string): Promise<Map<string, TableState>> {
    const states = new Map<string, TableState>();
    for (const namespace of namespaces) {
      const found = this.table(namespaceName(namespace), tableName(table));
      if (found !== undefined) states.set(namespace, { mark: found.mark, maps: found.maps });
    }
    return states;
  }

  async tableForm(namespace: string | null, table: string): Promise<TableForm | null> {
    const found = this.table(namespace, tableName(table));
    return found === undefined ? null : formOf(found);
  }

  async filteringFault(): Promise<string | null> {
    return this.filtering;
  }

  async endConnections(filters: readonly ConnectionFilter[]): Promise<void> {
    this.ended.push(...filters);
  }

  async routes(namespaces: readonly string[]): Promise<Map<string, Route[]>> {
    const there = namespaces.filter((name) => this.#links.list(namespaceName(name)) !== undefined);
    return new Map(there.map((name) => [name, this.#routes.list(name, this.#links.list(name) ?? [])]));
  }

  async changeRoutes(namespace: string, steps: readonly RouteStep[]): Promise<StepResult[]> {
    const links = this.#links.list(namespaceName(namespace));
    return steps.map((step) =>
      links === undefined ? 'no such namespace' : this.#routes.change(namespace, step, links),
    );
  }

  async setSysctls(namespace: string | null, values: Readonly<Record<string, string>>): Promise<void> {
    this.#needNamespace(namespace);
    for (const [name, value] of Object.entries(values)) {
      this.sysctls.set(`${namespace ?? ''}:${sysctlPath(name)}`, value);
    }
  }

  async readFile(path: string): Promise<string | null> {
    return this.files.read(this.absolute(path));
  }

  async writeFile(path: string, text: string): Promise<void> {
    this.files.write(this.absolute(path), text);
  }

  async writeFiles(texts: ReadonlyMap<string, string>, before?: () => Promise<void>): Promise<void> {
    const paths = [...texts.keys()].map((path) => this.absolute(path));
    await before?.();
    for (const [index, text] of [...texts.values()].entries()) this.files.write(paths[index] ?? '', text);
  }

  async watchDirectory(path: string, ignored: readonly string[] = []): Promise<void> {
    this.files.watch(this.absolute(path), ignored);
  }

  async removeFile(path: string): Promise<void> {
    this.files.remove(this.absolute(path));
  }

  async listFiles(path: string): Promise<string[]> {
    return this.files.list(this.absolute(path));
  }

  async removeDirectory(path: string): Promise<void> {
    this.files.removeTree(this.absolute(path));
  }

  async appendDurably(path: string, text: string): Promise<void> {
    this.files.append(this.absolute(path), text);
  }

  absolute(path: string): string {
    return this.files.absolute(path);
  }

  async startProcess(spec: ProcessSpec): Promise<ProcessState> {
    if (this.#running.has(processName(spec.name))) throw new Error(`${spec.name} is running already`);
    this.#needNamespace(spec.namespace);
    const pid = ++this.#lastPid;
    const program = this.#options.program?.(spec, pid, this);
    const life = this.#links.lifeOf(spec.namespace ?? '');
    this.#running.set(spec.name, { spec, pid, program, stuck: null, life });
    return { pid, configHash: spec.configHash, stuck: null };
  }

  async findProcess(name: string): Promise<ProcessState | null> {
    const found = this.#running.get(processName(name));
    if (found === undefined) return null;
    return { pid: found.pid, configHash: found.spec.configHash, stuck: found.stuck };
  }

  async isAstray(name: string, namespace: string): Promise<boolean> {
    const found = this.#running.get(processName(name));
    return found !== undefined && found.life !== this.#links.lifeOf(namespaceName(namespace));
  }

  async processes(): Promise<string[]> {
    return [...this.#running.keys()].sort();
  }

  async signalProcess(name: string, signal: FakeSignal): Promise<void> {
    const running = this.#running.get(processName(name));
    if (running === undefined || (running.stuck !== null && signal !== 'KILL')) return;
    if (signal === 'KILL' || (running.program?.signalled(signal) ?? 'ends') === 'ends') this.endProcess(name);
  }

  async stopProcess(name: string, _graceMs: number): Promise<void> {
    await this.signalProcess(name, 'TERM');
    await this.signalProcess(name, 'KILL');
    this.files.remove(this.absolute(`log/${name}.log`));
  }

  async endCopies(_argv: readonly string[]): Promise<number> {
    return 0;
  }

  async runProgram(namespace: string | null, argv: readonly string[]): Promise<Finished> {
    return this.#options.run?.(namespace, argv, this) ?? { code: 0, stdout: '', stderr: '' };
  }

  async inspectProgram(path: string): Promise<ProgramFacts> {
    const missing = { path, kind: 'missing', uid: -1, gid: -1, mode: 0 } as const;
    return this.programs.get(path) ?? { steps: [missing], trusted: [0], content: null, interpreters: [] };
  }

  async findUser(name: string): Promise<{ uid: number; gid: number } | null> {
    return name === 'nobody' ? { uid: 65_534, gid: 65_534 } : null;
  }

  async runGuarded(run: GuardedRun): Promise<GuardedResult> {
    const well = { ending: 'exited', code: 0, durationMs: 0, output: '' } as const;
    return this.#options.guarded?.(run, this) ?? well;
  }

  async underlays(named: readonly string[]): Promise<Map<string, Underlay>> {
    return new Map([...this.underlay].filter(([name]) => named.includes(name)));
  }

  async probe(probe: Probe, onAnswer: (answered: boolean) => void, signal: AbortSignal): Promise<void> {
    await this.#probes.follow(probe, onAnswer, signal);
  }

  async follow(onEvent: (event: HostEvent) => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#listeners.add(onEvent);
    onEvent({ type: 'overflow' });
    await untilAborted(signal);
    this.#listeners.delete(onEvent);
  }

  #tell(event: HostEvent): void {
    for (const listener of [...this.#listeners]) listener(event);
  }

  #needNamespace(namespace: string | null): void {
    if (this.#links.list(namespace === null ? null : namespaceName(namespace)) === undefined) {
      throw new Error(`no namespace ${namespace}`);
    }
  }
}
