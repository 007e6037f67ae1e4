/** Runs the operator's check scripts for every HA router that has a role here, and keeps what follows. */
import type { Host, HostEvent, ProgramUser } from '../../host/host.ts';
import { type Clock, sleep } from '../../lib/clock.ts';
import type { Body } from '../../resources/agent-view.ts';
import type { ReplicaState } from '../../resources/replica-report.ts';
import { checkCommand, checkParameters } from './check-arguments.ts';
import { intervalMs, nextRun } from './check-plan.ts';
import { type CheckScript, problemsOf } from './check-script.ts';
import { Slots } from './check-slots.ts';
import { freshVerdict, judge, type Run, runOf, type Verdict } from './check-verdict.ts';

export interface ChecksOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly hostName: string;
  readonly scripts: readonly CheckScript[];
  /** Name or number; '' where this process may become nobody else. */
  readonly user: string;
  /** The HA routers of this host with their objects. */
  readonly routers: () => ReadonlyMap<string, ReadonlyMap<string, Body>>;
  /** A check of the router stands otherwise. */
  readonly onChange: (routerId: string) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Whether a script may be run is looked at again this often. */
const INSPECT_MS = 1_000;
const LOOK_MS = 100;
/** More than this behind (the clock was set, or the process stood still): it starts afresh instead of catching up. */
const LATE_MS = 2_000;
/** What a script is in may be on a disk, or a server, that does not answer. */
const LOOK_WITHIN_MS = 5_000;
/** So many runs of a script that do not end, and it is not begun any more, for whatever router. */
const MOST_LEFT = 4;

interface Plan {
  /** By the wall clock. */
  at: number;
  everyMs: number;
  running: boolean;
}

export class Checks {
  readonly #options: ChecksOptions;
  readonly #roles = new Map<string, ReplicaState>();
  readonly #verdicts = new Map<string, Verdict>();
  readonly #plans = new Map<string, Plan>();
  /** Namespaces in which scripts may ping. */
  readonly #pinging = new Set<string>();
  /** By check: the content that it had when it was first found fit to be run. */
  readonly #pinned = new Map<string, string>();
  readonly #inspected = new Map<string, { at: number; isOver: boolean; result: Promise<string[]> }>();
  readonly #slots: Slots;
  /** Runs that were killed and have not ended, by the plan's key. */
  readonly #left = new Map<string, { readonly script: string; isTold: boolean }>();
  /** undefined: not looked up yet. */
  #user: ProgramUser | undefined;

  constructor(options: ChecksOptions) {
    this.#options = options;
    this.#slots = new Slots(options.scripts.length);
  }

  tellRole(routerId: string, role: ReplicaState): void {
    this.#roles.set(routerId, role);
  }

  onHostEvent(event: HostEvent): void {
    if (event.type === 'namespace') this.#pinging.delete(event.name);
    if (event.type === 'overflow') this.#pinging.clear();
  }

  /** What each check of the router says. */
  verdicts(routerId: string): { script: CheckScript; verdict: Verdict }[] {
    return this.#options.scripts.flatMap((script) => {
      const verdict = this.#verdicts.get(key(routerId, script));
      return verdict === undefined ? [] : [{ script, verdict }];
    });
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, scripts } = this.#options;
    if (scripts.length === 0) return;
    while (!signal.aborted) {
      this.#begin(signal);
      await sleep(clock, LOOK_MS, signal);
    }
  }

  /** Begins what is due. */
  #begin(signal: AbortSignal): void {
    const { clock, scripts, routers, onFailure } = this.#options;
    const now = clock.wall().getTime();
    const here = [...routers()].filter(([id]) =>
      ['active', 'standby', 'fault'].includes(this.#roles.get(id) ?? ''),
    );
    const keys = new Set<string>();
    for (const script of scripts) {
      const everyMs = intervalMs(scripts, script, here.length);
      for (const [routerId] of here) {
        const name = key(routerId, script);
        keys.add(name);
        const plan = this.#planOf(name, { now, everyMs, script, routerId });
        if (now < plan.at || plan.running) continue;
        const isLate = now - plan.at > LATE_MS;
        plan.at = nextRun(now, everyMs, { script, routerId });
        if (isLate) continue;
        plan.running = true;
        this.#runInTurn(routerId, script)
          .catch(
            (error: Error): Run => ({ answer: 'nothing', text: `it could not be begun: ${error.message}` }),
          )
          .then((run) => {
            if (!signal.aborted && run !== null) this.#told(routerId, script, run);
          })
          .catch(onFailure)
          .finally(() => {
            plan.running = false;
          });
      }
    }
    for (const map of [this.#plans, this.#verdicts])
      for (const name of map.keys()) if (!keys.has(name)) map.delete(name);
  }

  #planOf(name: string, on: { now: number; everyMs: number; script: CheckScript; routerId: string }): Plan {
    const { now, everyMs } = on;
    const known = this.#plans.get(name);
    // Of another interval, or the wall clock was set back.
    if (known !== undefined && known.everyMs === everyMs && known.at - now <= everyMs) return known;
    const plan = { at: nextRun(now, everyMs, on), everyMs, running: known?.running ?? false };
    this.#plans.set(name, plan);
    return plan;
  }

  /** null: the router is not here any more. */
  async #runInTurn(routerId: string, script: CheckScript): Promise<Run | null> {
    const held = this.#leftBy(routerId, script);
    if (held !== null) return held;
    await this.#slots.enter(script.name);
    try {
      return this.#leftBy(routerId, script) ?? (await this.#runOne(routerId, script));
    } finally {
      this.#slots.leave(script.name);
    }
  }

  async #runOne(routerId: string, script: CheckScript): Promise<Run | null> {
    const { host, hostName, routers } = this.#options;
    const problems = await this.#inspect(script);
    if (problems.length > 0) return { answer: 'nothing', text: `it is not run: ${problems.join('; ')}` };
    const role = this.#roles.get(routerId);
    const objects = routers().get(routerId);
    if (role === undefined || objects === undefined) return null;
    const parameters = checkParameters(objects, { routerId, host: hostName, role });
    await this.#letPing(parameters.namespace);
    const { timeoutMs } = script;
    const run = { namespace: parameters.namespace, user: this.#user ?? null, timeoutMs };
    const result = await host.runGuarded({ ...run, ...checkCommand(script.path, parameters) });
    if (result.gone) this.#leave(key(routerId, script), script, result.gone);
    return runOf(result, script);
  }

  /** Each further run would be held up by the same, and cost more processes that nobody can end. */
  #leftBy(routerId: string, script: CheckScript): Run | null {
    const own = this.#left.get(key(routerId, script));
    if (own !== undefined) {
      const text = 'an earlier run does not end, though it was killed';
      if (!own.isTold)
        this.#options.onFailure(new Error(`check ${script.name} of router ${routerId}: ${text}`));
      own.isTold = true;
      return { answer: 'nothing', text };
    }
    const left = [...this.#left.values()].filter((one) => one.script === script.name).length;
    if (left < MOST_LEFT) return null;
    return { answer: 'nothing', text: `${left} runs for other routers do not end, though they were killed` };
  }

  #leave(name: string, script: CheckScript, gone: Promise<void>): void {
    const { onFailure } = this.#options;
    this.#left.set(name, { script: script.name, isTold: false });
    void gone.catch(onFailure).finally(() => this.#left.delete(name));
  }

  /** ICMP echo without a privilege (icmp(7)), which a script has not, for whom scripts are run as, in that namespace. */
  async #letPing(namespace: string): Promise<void> {
    if (this.#pinging.has(namespace)) return;
    const gid = this.#user?.gid ?? 0;
    await this.#options.host.setSysctls(namespace, { 'net.ipv4.ping_group_range': `${gid} ${gid}` });
    this.#pinging.add(namespace);
  }

  /** Why it may not be run. Owner, mode and content are looked at before every run, or nearly; one look at a time. */
  #inspect(script: CheckScript): Promise<string[]> {
    const { clock } = this.#options;
    const known = this.#inspected.get(script.name);
    if (known !== undefined && (!known.isOver || clock.now() - known.at < INSPECT_MS))
      return this.#inTime(script, known.result);
    const look = { at: clock.now(), isOver: false, result: this.#look(script) };
    const end = () => {
      look.isOver = true;
    };
    void look.result.then(end, end);
    this.#inspected.set(script.name, look);
    return this.#inTime(script, look.result);
  }

  #inTime({ path }: CheckScript, look: Promise<string[]>): Promise<string[]> {
    const { clock } = this.#options;
    return new Promise((settle, reject) => {
      const cancel = clock.after(LOOK_WITHIN_MS, () =>
        settle([`${path}: it cannot be looked at, for what it is kept on does not answer`]),
      );
      void look.then(settle, reject).finally(cancel);
    });
  }

  async #look(script: CheckScript): Promise<string[]> {
    const { host, user } = this.#options;
    if (this.#user === undefined) {
      const found = user === '' ? null : await host.findUser(user);
      if (user !== '' && found === null) return [`there is no user ${user} on this host`];
      if (found?.uid === 0) return ['checks are not run as root'];
      this.#user = found;
    }
    const facts = await host.inspectProgram(script.path);
    const pinned = script.sha256 ?? this.#pinned.get(script.name) ?? null;
    const problems = problemsOf(facts, this.#user, pinned);
    if (problems.length === 0 && facts.content !== null) this.#pinned.set(script.name, facts.content.sha256);
    return problems;
  }

  #told(routerId: string, script: CheckScript, run: Run): void {
    const name = key(routerId, script);
    if (!this.#plans.has(name)) return;
    const now = this.#options.clock.now();
    const before = this.#verdicts.get(name) ?? freshVerdict(now);
    const after = judge(before, run, { script, now });
    this.#verdicts.set(name, after);
    if (after.standing !== before.standing) this.#options.onChange(routerId);
  }
}

const key = (routerId: string, { name }: CheckScript): string => `${routerId} ${name}`;
