/** Which faults met which states of the system: how often, and what never met. */
import type { Struck } from './faults/fault.ts';
import { FAULTS } from './faults.ts';
import type { World } from './world.ts';

/** Counts by `fault`, then state. */
export type Coverage = Record<string, Record<string, number>>;

/** What the system may be in the middle of. Of the agent that the fault hits, else of any. */
const STATES: Readonly<Record<string, (world: World, on: string | undefined) => boolean>> = {
  quiet: (world, on) => !PARTICULAR.some((state) => STATES[state]?.(world, on)),
  'session waiting': inSession('waiting'),
  connecting: inSession('connecting'),
  'catching up': inSession('catching-up'),
  'fill under way': inSession('filling'),
  live: inSession('live'),
  'agent down': (world, on) => agentsOf(world, on).some((agent) => !agent.life?.alive),
  'process paused': (world) => [...world.agents, ...world.servers].some((one) => one.life?.isFrozen),
  'controller busy': (world, on) => agentsOf(world, on).some((agent) => agent.callsUnderWay > 0),
  'journal write': (world, on) => agentsOf(world, on).some((agent) => agent.disk.isWriting),
  'disk trouble': hasTrouble(/disk/),
  'way cut': hasTrouble(/^cut/),
  'database trouble': hasTrouble(/database/),
  'server down': (world) => world.servers.some((server) => !server.life?.alive),
  'no server': (world) => world.servers.every((server) => !server.life?.alive),
  'leader change': (world) => world.watches.leaders.isChanging(),
  'no leader': (world) => !world.watches.leaders.hasLivingLeader(),
  'move under way': (world) => world.store.rows('dhcpBindings').some((binding) => binding.leaving),
  'port not ACTIVE': (world) => world.store.rows('provisioningBlocks').length > 0,
  'agent taken for dead': (world) => world.store.rows('agents').some((agent) => agent.liveness === 'dead'),
  'remedy lately': (world) => world.watches.events.wasLately('remedy'),
  'alert open': (world) => world.watches.events.wasLately('alert'),
  'agent drained': (world) => world.store.rows('agents').some((agent) => !agent.admin_state_up),
  'host dead': (world) => world.machines.some((machine) => machine.isOff),
};

/** Whatever makes a moment other than quiet. */
const PARTICULAR = Object.keys(STATES).filter((state) => !['quiet', 'live', 'agent drained'].includes(state));

function agentsOf(world: World, on: string | undefined) {
  const one = on === undefined ? undefined : world.agent(on);
  return one ? [one] : world.agents;
}

function inSession(name: string) {
  return (world: World, on: string | undefined) =>
    agentsOf(world, on).some((agent) => agent.runner?.session.name === name);
}

function hasTrouble(pattern: RegExp) {
  return (world: World) => world.troubles.names().some((name) => pattern.test(name));
}

/** Counts what each fault meets, from before it strikes. */
export class CoverageWatch {
  readonly found: Coverage = {};
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  /** To be called before a fault strikes; the returned function counts, once it is known what it struck. */
  before(kind: string): (struck: Struck) => void {
    const world = this.#world;
    const by = (on: string | undefined) => Object.keys(STATES).filter((state) => STATES[state]?.(world, on));
    const anywhere = by(undefined);
    const each =
      world.agents.length <= 10 ? new Map(world.agents.map(({ name }) => [name, by(name)])) : undefined;
    return ({ on }) => {
      for (const state of each?.get(on ?? '') ?? anywhere)
        addCoverage(this.found, { [kind]: { [state]: 1 } });
    };
  }
}

export function addCoverage(sum: Coverage, more: Coverage): void {
  for (const [kind, row] of Object.entries(more)) {
    const into = sum[kind] ?? {};
    for (const [state, count] of Object.entries(row)) into[state] = (into[state] ?? 0) + count;
    sum[kind] = into;
  }
}

/** A table of faults by states, and a line for each fault of what it never met. */
export function coverageText(
  coverage: Coverage,
  kinds: readonly string[] = [...FAULTS.keys()],
  states: readonly string[] = Object.keys(STATES),
): string {
  const widest = Math.max(...states.map((state) => state.length));
  const wide = Math.max(...kinds.map((kind) => kind.length)) + 1;
  const header = `${' '.repeat(widest)} ${kinds.map((kind) => kind.padStart(wide)).join('')}`;
  const lines = states.map((state) => {
    const cells = kinds.map((kind) => String(coverage[kind]?.[state] ?? '-').padStart(wide));
    return `${state.padEnd(widest)} ${cells.join('')}`;
  });
  const never = kinds.flatMap((kind) => {
    const missing = states.filter((state) => !coverage[kind]?.[state]);
    return missing.length > 0 ? [`never met: ${kind} and ${missing.join(', ')}`] : [];
  });
  return [header, ...lines, ...never, ''].join('\n');
}
