/** Whether a planned move would last. Pure. */
import type { Replica } from './replica.ts';

/**
 * Who would take the router from `target` again, for what ails that one; undefined: nobody. Whoever is less ailing outranks it as soon as
 * the move is over. `others`: the replicas that take part beside it.
 */
export function wouldTakeBack(target: Replica, others: readonly Replica[]): Replica | undefined {
  const better = others.filter(({ penalty, order }) => penalty < target.penalty && order?.do !== 'fault');
  return better.sort(compare)[0];
}

/** The best first; of equal ones, who is active stands above. */
function compare(one: Replica, other: Replica): number {
  if (one.penalty !== other.penalty) return one.penalty - other.penalty;
  if ((one.state === 'active') !== (other.state === 'active')) return one.state === 'active' ? -1 : 1;
  return one.host < other.host ? -1 : 1;
}
