/**
 * Who waits for whom. Row locks in the three modes of PostgreSQL that we meet (a foreign key's check takes `key-share`,
 * `lock` and ordinary updates `no-key-update`, deletes and changes of unique columns `update`); claims on unique keys by
 * rows that are not committed yet; the position lock. A wait that would close a circle throws Deadlock at once.
 */
export type LockMode = 'key-share' | 'no-key-update' | 'update';

/** Whoever may hold and wait: a transaction. */
export interface Holder {
  readonly waitingFor: Set<Holder>;
  /** Called once when the holder has ended. */
  readonly onEnd: (() => void)[];
  ended: boolean;
}

/** The wait would never end: the transaction is to be run again (40P01). */
export class Deadlock extends Error {
  override readonly name = 'Deadlock';
}

const STRENGTH: Readonly<Record<LockMode, number>> = { 'key-share': 1, 'no-key-update': 2, update: 3 };

function conflict(a: LockMode, b: LockMode): boolean {
  return STRENGTH[a] + STRENGTH[b] > 3;
}

export interface Claim {
  readonly owner: Holder;
  readonly as: 'taken' | 'released';
}

export interface Locks {
  /** Holds `name` in `mode` until `owner` ends, after whoever conflicts has ended. */
  acquire(owner: Holder, name: string, mode: LockMode): Promise<void>;
  /** Whoever has decided on a unique key without having committed, and what. */
  claimOf(uniqueKey: string): Claim | undefined;
  /** Waits until another holder has ended. */
  waitFor(owner: Holder, other: Holder): Promise<void>;
  /** From now to the end of `owner` nobody else may decide on this unique key. */
  claim(owner: Holder, uniqueKey: string, as: Claim['as']): void;
  /** Gives back all that the owner holds, and lets those who wait for it look again. */
  end(owner: Holder): void;
}

function reaches(from: Holder, target: Holder, seen: Set<Holder>): boolean {
  for (const next of from.waitingFor) {
    if (next === target) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    if (reaches(next, target, seen)) return true;
  }
  return false;
}

/** Waits for the first of `others` to end. `pause` comes after, so that a scheduler picks who looks first. */
async function waitFor(owner: Holder, others: readonly Holder[], pause: () => Promise<void>): Promise<void> {
  for (const other of others) owner.waitingFor.add(other);
  try {
    if (reaches(owner, owner, new Set())) throw new Deadlock('deadlock detected');
    const [first] = others;
    await new Promise<void>((resolve) => first?.onEnd.push(resolve));
  } finally {
    owner.waitingFor.clear();
  }
  await pause();
}

export function openLocks(pauseOf: (owner: Holder) => Promise<void>): Locks {
  const locks = new Map<string, Map<Holder, LockMode>>();
  const claims = new Map<string, Claim>();
  const held = new Map<Holder, Set<string>>();

  const note = (owner: Holder, name: string) => {
    const names = held.get(owner);
    if (names) names.add(name);
    else held.set(owner, new Set([name]));
  };

  return {
    async acquire(owner, name, mode) {
      for (;;) {
        const holders = locks.get(name) ?? new Map<Holder, LockMode>();
        const own = holders.get(owner);
        if (own && STRENGTH[own] >= STRENGTH[mode]) return;
        const others = [...holders].filter(([who, theirs]) => who !== owner && conflict(theirs, mode));
        if (others.length === 0) {
          holders.set(owner, mode);
          locks.set(name, holders);
          note(owner, name);
          return;
        }
        await waitFor(
          owner,
          others.map(([who]) => who),
          () => pauseOf(owner),
        );
      }
    },
    claimOf: (uniqueKey) => claims.get(uniqueKey),
    waitFor: (owner, other) => waitFor(owner, [other], () => pauseOf(owner)),
    claim(owner, uniqueKey, as) {
      claims.set(uniqueKey, { owner, as });
      note(owner, uniqueKey);
    },
    end(owner) {
      owner.ended = true;
      for (const name of held.get(owner) ?? []) {
        const holders = locks.get(name);
        holders?.delete(owner);
        if (holders?.size === 0) locks.delete(name);
        if (claims.get(name)?.owner === owner) claims.delete(name);
      }
      held.delete(owner);
      for (const resolve of owner.onEnd.splice(0)) resolve();
    },
  };
}
