/**
 * The policy file of a server: read at the start, which fails if it is wrong, and again when it has changed. A changed file that is
 * wrong is told of in the log, and the rules that held hold on.
 */
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { collections } from '../api/collections.ts';
import { ruleNames } from '../api/policy-names.ts';
import { Policy } from '../api/policy-rules.ts';
import { ROLE_NAMES, type RoleNames as TokenRoles } from '../api/token.ts';
import { type Clock, realClock, sleep } from '../lib/clock.ts';
import { PolicyFileError, readPolicyFile } from '../policy/file.ts';
import type { RuleNames } from '../policy/rules.ts';
import type { ServerConfig } from './config.ts';
import type { Log } from './logging.ts';
import { ConfigurationError } from './options.ts';

const LOOK_MS = 2_000;

/** The roles by which a server of this configuration knows its callers. */
export function rolesOf(config: ServerConfig): TokenRoles {
  if (config.identity !== 'keystone') return ROLE_NAMES;
  return {
    admin: config['keystone-admin-roles'],
    member: config['keystone-member-roles'],
    reader: config['keystone-reader-roles'],
  };
}

/** The rules that a server of this configuration knows. Throws ConfigurationError. */
export function rulesKnown(config: ServerConfig): RuleNames {
  const odd = Object.values(rolesOf(config))
    .flat()
    .find((role) => !/^[^\s()%"']+$/.test(role));
  if (odd !== undefined) throw new ConfigurationError(`a policy file cannot name the role "${odd}"`);
  return ruleNames(collections, rolesOf(config));
}

/** Each problem on a line of its own: `policy.yaml:3: create_netwrok: there is no such rule ...`. */
export function problemLines(path: string, error: PolicyFileError): string[] {
  return error.problems.map(({ line, what }) => `${path}${line === null ? '' : `:${line}`}: ${what}`);
}

/** What a policy file is read from. */
interface Source {
  /** Changes whenever the text does. */
  version(): Promise<string>;
  read(): Promise<string>;
}

const sourceOf = (path: string): Source => ({
  async version() {
    const { ino, size, mtimeMs, ctimeMs } = await stat(path);
    return `${ino}:${size}:${mtimeMs}:${ctimeMs}`;
  },
  read: () => readFile(path, 'utf8'),
});

export interface PolicyFileParts {
  readonly path: string;
  readonly policy: Policy;
  /** What the policy's rules were read from. */
  readonly text: string;
  readonly log: Pick<Log, 'info' | 'error'>;
  readonly clock?: Clock;
  readonly source?: Source;
}

/** Follows the file. */
export class PolicyFile {
  readonly policy: Policy;
  readonly #path: string;
  readonly #log: PolicyFileParts['log'];
  readonly #clock: Clock;
  readonly #source: Source;
  /** Of what was last taken or refused; undefined before the first look. */
  #settled: string | undefined;
  #seen: string | undefined;
  #text: string;
  #isRefused = false;

  constructor({ path, policy, text, log, clock = realClock, source = sourceOf(path) }: PolicyFileParts) {
    this.policy = policy;
    this.#path = path;
    this.#text = text;
    this.#log = log;
    this.#clock = clock;
    this.#source = source;
  }

  /** Whether the file says something that is wrong, or is not there: then other rules hold than its. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /**
   * Looks once. A file is taken when two looks in a row have found it the same, so that one that is being written is not taken
   * half: a rule that is missing says what it says by default.
   */
  async look(): Promise<void> {
    const version = await this.#source.version().catch((error: Error) => `unreadable: ${error.message}`);
    const isStill = version === this.#seen;
    this.#seen = version;
    if (!isStill || version === this.#settled) return;
    this.#settled = version;
    try {
      const text = await this.#source.read();
      if (text === this.#text && !this.#isRefused) return;
      this.policy.change(readPolicyFile(text));
      this.#text = text;
      this.#isRefused = false;
      this.#log.info({ path: this.#path }, 'the policy file was read again');
    } catch (error) {
      this.#isRefused = true;
      const why =
        error instanceof PolicyFileError ? problemLines(this.#path, error) : [(error as Error).message];
      this.#log.error(
        { path: this.#path, why },
        'the policy file is refused, and the rules that held hold on',
      );
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      await sleep(this.#clock, LOOK_MS, signal);
    }
  }
}

/** The policy file of the configuration, if it names one. Throws ConfigurationError if it is wrong. */
export function openPolicyFile(config: ServerConfig, log: Log): PolicyFile | null {
  const path = config['policy-file'];
  if (path === null) return null;
  try {
    const text = readFileSync(path, 'utf8');
    const policy = new Policy(rulesKnown(config), readPolicyFile(text));
    return new PolicyFile({ path, policy, text, log });
  } catch (error) {
    if (error instanceof ConfigurationError) throw error;
    const lines = error instanceof PolicyFileError ? problemLines(path, error) : [(error as Error).message];
    throw new ConfigurationError(`--policy-file: ${lines.join('\n  ')}`);
  }
}
