/** What should happen to a network's bindings: which are to leave, which to stay after all, how many it lacks. */

/** A binding, with what decides about it. */
export interface Standing {
  readonly agentId: string;
  readonly leaving: boolean;
  readonly alive: boolean;
  /** Its agent is switched on; one that is switched off gives away what it has. */
  readonly on: boolean;
}

/** How many replicas a network lacks: those that live and are to stay do not count as lacking. */
export const lacking = (bindings: readonly Standing[], wanted: number): number =>
  Math.max(0, wanted - bindings.filter((one) => !one.leaving && one.alive && one.on).length);

export interface Turnover {
  /** Agents whose bindings leave from now on. */
  readonly leave: readonly string[];
  /** Agents whose bindings were to leave and stay after all: nobody else is there to serve. */
  readonly stay: readonly string[];
}

const byId = (a: Standing, b: Standing) => (a.agentId < b.agentId ? -1 : 1);

/**
 * Once `added` replicas come in. Of the dead as many leave as are made up for: one that nobody replaces keeps its place and
 * serves again when it is back. Of those switched off all leave, if anybody else stays. If there still are too few, those that were to
 * leave and live are kept.
 */
export function turnover(bindings: readonly Standing[], added: number, wanted: number): Turnover {
  const current = bindings.filter((one) => !one.leaving).sort(byId);
  const good = current.filter((one) => one.alive && one.on).length + added;
  const off = current.filter((one) => !one.on);
  const dead = current.filter((one) => one.on && !one.alive);
  const surplus = Math.max(0, good + dead.length - wanted);
  const leave = [...(good > 0 ? off : []), ...dead.slice(0, good > 0 ? surplus : 0)];
  const stay = bindings
    .filter((one) => one.leaving && one.alive && one.on)
    .sort(byId)
    .slice(0, Math.max(0, wanted - good));
  return { leave: leave.map((one) => one.agentId), stay: stay.map((one) => one.agentId) };
}

/** A binding at the end of a move. */
export interface Handover {
  readonly agentId: string;
  readonly leaving: boolean;
  readonly alive: boolean;
  readonly on: boolean;
  /** Its agent serves the network as of the binding, and the network's hosts reach it. */
  readonly served: boolean;
}

/**
 * The agents whose leaving bindings may go now: as many others serve as are wanted, or as there are. One that is
 * switched off does not wait for the dead among them. Nothing goes while nobody else serves.
 */
export function mayGo(bindings: readonly Handover[], wanted: number): string[] {
  const others = bindings.filter((one) => !one.leaving);
  const serving = others.filter((one) => one.served && one.alive).length;
  const enough = (possible: number) => serving >= Math.max(1, Math.min(wanted, possible));
  const living = others.filter((one) => one.alive).length;
  return bindings
    .filter((one) => one.leaving && enough(one.on ? others.length : living))
    .map((one) => one.agentId);
}
