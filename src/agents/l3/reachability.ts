/**
 * Which hosts answer, by path: asked from the host's own namespace, answered by the other's kernel, so an agent that is away
 * makes nobody silent. On the tunnel network also with packets as large as a tenant's become.
 */
import type { Host } from '../../host/host.ts';
import type { Answers } from './health.ts';

export type Path = 'tunnel' | 'management' | 'witness';

export interface Target {
  readonly path: Path;
  /** Name of the host, or of the witness. */
  readonly name: string;
  readonly address: string;
  /** Asked also with packets of this size, which may not be broken up; null: not. */
  readonly bytes: number | null;
}

const INTERVAL_MS = 100;
const LARGE_INTERVAL_MS = 1_000;
/** So many in a row. */
const SILENT_AFTER = 3;

interface Question {
  readonly stop: AbortController;
  misses: number;
  /** null: not known yet. */
  answers: boolean | null;
}

interface Asked {
  readonly target: Target;
  readonly questions: readonly Question[];
}

const keyOf = ({ path, name, address, bytes }: Target): string => [path, name, address, bytes].join(' ');

export class Reachability {
  readonly #host: Host;
  readonly #onChange: () => void;
  readonly #onFailure: (error: unknown) => void;
  readonly #asked = new Map<string, Asked>();

  constructor(options: { host: Host; onChange: () => void; onFailure: (error: unknown) => void }) {
    this.#host = options.host;
    this.#onChange = options.onChange;
    this.#onFailure = options.onFailure;
  }

  /** From now on these are asked, and no others. */
  ask(targets: readonly Target[]): void {
    const wanted = new Map(targets.map((target) => [keyOf(target), target]));
    for (const [key, { questions }] of this.#asked) {
      if (wanted.has(key)) continue;
      for (const { stop } of questions) stop.abort();
      this.#asked.delete(key);
    }
    for (const [key, target] of wanted) {
      if (this.#asked.has(key)) continue;
      const small = this.#begin(target.address, INTERVAL_MS, null);
      const large =
        target.bytes === null ? [] : [this.#begin(target.address, LARGE_INTERVAL_MS, target.bytes)];
      this.#asked.set(key, { target, questions: [small, ...large] });
    }
  }

  #begin(address: string, intervalMs: number, bytes: number | null): Question {
    const question: Question = { stop: new AbortController(), misses: 0, answers: null };
    this.#host
      .probe(
        { address, intervalMs, bytes },
        (answered) => this.#told(question, answered),
        question.stop.signal,
      )
      .catch(this.#onFailure);
    return question;
  }

  #told(question: Question, answered: boolean): void {
    question.misses = answered ? 0 : question.misses + 1;
    const answers = answered ? true : question.misses >= SILENT_AFTER ? false : question.answers;
    if (answers === question.answers) return;
    question.answers = answers;
    this.#onChange();
  }

  /** Those of a path of which it is known; one that answers small packets only is silent. */
  answers(path: Path): Answers {
    const found = new Map<string, boolean>();
    for (const { target, questions } of this.#asked.values()) {
      const [small] = questions;
      if (target.path !== path || small?.answers == null) continue;
      found.set(
        target.name,
        questions.every(({ answers }) => answers !== false),
      );
    }
    return found;
  }

  /** Who answers small packets and no large ones: the path is narrower than what tenants were promised. */
  narrow(): string[] {
    return [...this.#asked.values()]
      .filter(({ questions: [small, large] }) => small?.answers === true && large?.answers === false)
      .map(({ target }) => target.name);
  }

  /** Each that is asked has answered, or has been found silent. */
  get isKnown(): boolean {
    return [...this.#asked.values()].every(({ questions: [small] }) => small?.answers != null);
  }

  stop(): void {
    this.ask([]);
  }
}
