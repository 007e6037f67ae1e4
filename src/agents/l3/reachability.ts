/**
 * Which hosts answer, by path: asked from the host's own namespace, answered by the other's kernel, so an agent that is away
 * makes nobody silent. Also inside the VXLAN of each path, as the l2 role has it (`agents/l2/health-link.ts`): an address may
 * answer while its UDP port, 4789 or 14789, does not get through. On the tunnel network with packets as large as a tenant's
 * become, too.
 */
import type { Host, Probe } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import type { Answers } from './health.ts';

export type Path = 'tunnel' | 'management' | 'witness';

export interface Target {
  readonly path: Path;
  /** Name of the host, or of the witness. */
  readonly name: string;
  readonly address: string;
  /** Asked also with packets of this size, which may not be broken up; null: not. */
  readonly bytes: number | null;
  /**
   * What it is called inside the path's VXLAN. That counts only once it has answered since it was last silent altogether: an agent
   * from before this, or one that is not yet up after its host, has nothing there.
   */
  readonly inside?: string;
}

/** With `SILENT_AFTER`, under the three adverts that stand-bys wait: what is cut for all is known to all before one of them rises. */
const INTERVAL_MS = 70;
const LARGE_INTERVAL_MS = 1_000;
/** So many in a row. */
const SILENT_AFTER = 3;
/** So many of all, and one begins to ask elsewhere. */
const DOUBTED_AFTER = 2;
/** One of each, and it is hushed: in time for stand-bys to be kept from rising by what is cut for all. */
const HUSHED_AFTER = 1;
const INSIDE_INTERVAL_MS = 200;
/** Longer than it takes to hear that a host has no replica any more, and so nothing inside. */
const SILENT_INSIDE_AFTER = 10;

interface Question {
  readonly stop: AbortController;
  readonly silentAfter: number;
  misses: number;
  /** null: not known yet. */
  answers: boolean | null;
}

interface Asked {
  readonly target: Target;
  readonly small: Question;
  readonly large: Question | null;
  readonly inside: Question | null;
  /** The address itself has never answered. If it does inside, a firewall keeps questions away: only inside counts. */
  isMute: boolean;
}

const keyOf = ({ path, name, address, bytes, inside }: Target): string =>
  [path, name, address, bytes, inside].join(' ');

const questionsOf = ({ small, large, inside }: Asked): Question[] =>
  [small, large, inside].filter((question) => question !== null);

const doesAnswer = (asked: Asked): boolean => {
  const { inside, isMute } = asked;
  if (isMute && inside && inside.answers !== null) return inside.answers;
  return questionsOf(asked).every(({ answers }) => answers !== false);
};

/** It answers something. */
const isThere = ({ small, inside }: Asked): boolean =>
  small.answers === true || (inside?.answers === true && inside.misses < SILENT_AFTER);

/** The question by which it is known to be there. */
const heardBy = ({ small, inside }: Asked): Question => (small.answers === true ? small : (inside ?? small));

/** One that never answered, a firewall before it for one, says nothing by its silence. */
const hasGoneSilent = ({ small, inside, isMute }: Asked): boolean =>
  isMute ? inside?.answers === false : small.answers === false;

export class Reachability {
  readonly #host: Host;
  readonly #onChange: () => void;
  readonly #onDoubt: () => void;
  readonly #onPeersDoubted: () => void;
  #arePeersDoubted = false;
  readonly #onHush: (isHushed: boolean) => void;
  #isHushed = false;
  readonly #onFailure: (error: unknown) => void;
  readonly #asked = new Map<string, Asked>();
  readonly #clock: Clock;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(options: {
    host: Host;
    clock: Clock;
    onChange: () => void;
    /** All that answered have missed some questions, not yet enough to be silent. */
    onDoubt?: () => void;
    /** `arePeersDoubted` is another. */
    onPeersDoubted?: () => void;
    /** All that answered have missed the last question, or that is over: somebody has answered, or it is known that nobody does. */
    onHush?: (isHushed: boolean) => void;
    onFailure: (error: unknown) => void;
  }) {
    this.#host = options.host;
    this.#clock = options.clock;
    this.#onChange = options.onChange;
    this.#onDoubt = options.onDoubt ?? (() => undefined);
    this.#onPeersDoubted = options.onPeersDoubted ?? (() => undefined);
    this.#onHush = options.onHush ?? (() => undefined);
    this.#onFailure = options.onFailure;
  }

  /** From now on these are asked, and no others. */
  ask(targets: readonly Target[]): void {
    const wanted = new Map(targets.map((target) => [keyOf(target), target]));
    for (const [key, asked] of this.#asked) {
      if (wanted.has(key)) continue;
      for (const { stop } of questionsOf(asked)) stop.abort();
      this.#asked.delete(key);
    }
    for (const [key, target] of wanted) {
      if (this.#asked.has(key)) continue;
      this.#asked.set(key, this.#begin(target));
    }
  }

  #begin(target: Target): Asked {
    const { address, bytes, inside } = target;
    const question = (silentAfter = SILENT_AFTER): Question => {
      return { stop: new AbortController(), silentAfter, misses: 0, answers: null };
    };
    const asked: Asked = {
      target,
      small: question(),
      large: bytes === null ? null : question(),
      inside: inside === undefined ? null : question(SILENT_INSIDE_AFTER),
      isMute: true,
    };
    this.#probe(asked, asked.small, { address, intervalMs: INTERVAL_MS, bytes: null });
    if (asked.large) this.#probe(asked, asked.large, { address, intervalMs: LARGE_INTERVAL_MS, bytes });
    if (asked.inside && inside !== undefined)
      this.#probe(asked, asked.inside, { address: inside, intervalMs: INSIDE_INTERVAL_MS, bytes: null });
    return asked;
  }

  #probe(asked: Asked, question: Question, probe: Probe): void {
    const told = (answered: boolean) => this.#told(asked, question, answered);
    this.#host.probe(probe, told, question.stop.signal).catch(this.#onFailure);
  }

  #told(asked: Asked, question: Question, answered: boolean): void {
    this.#count(asked, question, answered);
    const areDoubted = (this.#arePeersDoubted || question.misses >= DOUBTED_AFTER) && this.#findDoubted();
    if (areDoubted !== this.#arePeersDoubted) {
      this.#arePeersDoubted = areDoubted;
      this.#onPeersDoubted();
    }
    // last: what follows from knowing that nobody answers has begun by then
    const isHushed = this.#isHush;
    if (isHushed === this.#isHushed) return;
    this.#isHushed = isHushed;
    this.#onHush(isHushed);
  }

  #count(asked: Asked, question: Question, answered: boolean): void {
    const { small, inside } = asked;
    question.misses = answered ? 0 : question.misses + 1;
    if (answered) this.#heardAt = this.#clock.now();
    if (question === inside && !answered && question.answers === null) return;
    if (question === small && question.misses === DOUBTED_AFTER && this.#isDoubted) this.#onDoubt();
    const answers = answered ? true : question.misses >= question.silentAfter ? false : question.answers;
    if (answers === question.answers) return;
    question.answers = answers;
    if (question === small && answers) asked.isMute = false;
    if (question === small && !answers && !asked.isMute && inside) inside.answers = null;
    this.#onChange();
  }

  /** Those of a path of which it is known; one that answers small packets only, or not inside, is silent. */
  answers(path: Path): Answers {
    const found = new Map<string, boolean>();
    for (const asked of this.#asked.values()) {
      const { target, small } = asked;
      if (target.path !== path || small.answers === null) continue;
      found.set(target.name, doesAnswer(asked));
    }
    return found;
  }

  /** By host, the path by which it does not answer while it does by the other. */
  oneSided(): Map<string, 'tunnel' | 'management'> {
    const tunnel = this.answers('tunnel');
    const found = new Map<string, 'tunnel' | 'management'>();
    for (const [name, byManagement] of this.answers('management')) {
      const byTunnel = tunnel.get(name);
      if (byTunnel !== undefined && byTunnel !== byManagement)
        found.set(name, byTunnel ? 'management' : 'tunnel');
    }
    return found;
  }

  /**
   * By host, whether it answers anything at all: a small packet is enough, by whatever path. false only where it was asked by more
   * than one, has answered by each of them before, and answers by none; of others nothing is said.
   */
  hosts(): Map<string, boolean> {
    const silent = new Map<string, number>();
    const found = new Map<string, boolean>();
    for (const asked of this.#asked.values()) {
      const { name, path } = asked.target;
      if (path === 'witness') continue;
      if (questionsOf(asked).some(({ answers }) => answers === true)) found.set(name, true);
      else if (hasGoneSilent(asked)) silent.set(name, (silent.get(name) ?? 0) + 1);
    }
    for (const [name, paths] of silent) if (paths > 1 && !found.has(name)) found.set(name, false);
    return found;
  }

  /** Whether anyone answers at all, by whatever path; null: of nobody is it known. */
  anybody(): boolean | null {
    const known = [...this.#asked.values()].filter(({ small }) => small.answers !== null);
    return known.length === 0 ? null : known.some(isThere);
  }

  /** Hosts on either path have missed some questions, and none has answered since; not yet all of them enough to be silent. */
  get arePeersDoubted(): boolean {
    return this.#arePeersDoubted;
  }

  #findDoubted(): boolean {
    const peers = [...this.#asked.values()].filter(
      ({ target, small }) => target.path !== 'witness' && small.answers !== null,
    );
    const isDoubted = ({ small }: Asked) => small.answers === true && small.misses >= DOUBTED_AFTER;
    const has = (path: Path) => peers.some(({ target }) => target.path === path);
    const answering = peers.filter(doesAnswer);
    return has('tunnel') && has('management') && answering.length > 0 && answering.every(isDoubted);
  }

  get #isHush(): boolean {
    const there = [...this.#asked.values()].filter(isThere);
    return there.length > 0 && there.every((one) => heardBy(one).misses >= HUSHED_AFTER);
  }

  get #isDoubted(): boolean {
    const answering = [...this.#asked.values()].filter(
      ({ small, inside }) => small.answers === true || inside?.answers === true,
    );
    if (answering.length === 0) return false;
    return answering.every(({ small }) => small.answers === true && small.misses >= DOUBTED_AFTER);
  }

  /** When the last answer of all came, by the clock. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Who answers small packets and no large ones: the path is narrower than what tenants were promised. */
  narrow(): string[] {
    return [...this.#asked.values()]
      .filter(({ small, large }) => small.answers === true && large?.answers === false)
      .map(({ target }) => target.name);
  }

  /** Each that is asked has answered, or has been found silent. */
  get isKnown(): boolean {
    return [...this.#asked.values()].every(({ small }) => small.answers !== null);
  }

  stop(): void {
    this.ask([]);
  }
}
