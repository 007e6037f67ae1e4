/** Bugs of ours put in on purpose: to see that each invariant finds its own. */
import type { RoleAgent } from '../../../src/agents/role.ts';
import type { Plan } from '../plan.ts';
import type { L3World } from './world.ts';

export interface L3Plant {
  readonly name: string;
  readonly summary: string;
  /** The invariant that finds it. */
  readonly found: RegExp;
  /** Faults that bring it out. */
  readonly provokedBy: readonly string[];
  /** How long the run has to be, where that matters. */
  readonly lastingMs?: number;
  readonly install: (world: L3World) => void;
}

/** The plan with what brings the bug out in place of its faults. */
export function provoke(plan: Plan, { provokedBy, lastingMs = plan.durationMs }: L3Plant): Plan {
  const kindOf = (i: number, own: string) => provokedBy[i % provokedBy.length] ?? own;
  const faults = plan.faults.map((fault, i) => ({ ...fault, kind: kindOf(i, fault.kind) }));
  return { ...plan, faults, durationMs: lastingMs };
}

/** Launchpad bug 1375625: heartbeats take one way only. */
const onePath: L3Plant = {
  name: 'one-path',
  summary: 'HA segments are carried over the tunnel network only',
  found: /^never two: .* joined by heartbeat/,
  provokedBy: ['wire-cut', 'switch-down'],
  install(world) {
    world.traits.hasSecondPath = false;
  },
};

const noArbiter: L3Plant = {
  name: 'no-arbiter',
  summary: 'servers do not settle who of two keeps a router',
  found: /^never two: .* joined by server/,
  provokedBy: ['peers-cut'],
  install(world) {
    world.traits.hasArbiter = false;
  },
};

/** Every so often, for ever. */
function again(world: L3World, everyMs: number, act: () => void): void {
  world.later(everyMs, '', () => {
    act();
    again(world, everyMs, act);
  });
}

const allStepBack: L3Plant = {
  name: 'all-step-back',
  summary: 'a replica that ails takes no part at all',
  found: /^never none/,
  provokedBy: ['switch-down', 'script-bad'],
  lastingMs: 60_000,
  install(world) {
    again(world, 100, () => {
      for (const { host } of world.machines)
        for (const id of world.truth.routers()) {
          const off = Number(host.files.read(host.absolute(`l3/${id}/health`)) ?? 0);
          host.meddleFile(`l3/${id}/lease`, off >= 60 ? '1\n' : '0\n');
        }
    });
  },
};

const deadMan: L3Plant = {
  name: 'dead-man',
  summary: 'keepalived goes with the agent that started it',
  found: /^(static stability|never none)/,
  provokedBy: ['all-attendants'],
  install(world) {
    again(world, 2_500, () => {
      for (const machine of world.machines)
        if (!world.agent(machine.name).life?.alive) for (const one of machine.keepaliveds()) one.crash();
    });
  },
};

const noHoldDown: L3Plant = {
  name: 'no-hold-down',
  summary: 'what is well again counts at once',
  found: /^few failovers/,
  provokedBy: ['scripts-waver'],
  lastingMs: 90_000,
  install(world) {
    world.traits.checkHoldMs = Number.NEGATIVE_INFINITY;
  },
};

const mute: L3Plant = {
  name: 'mute',
  summary: 'agents do not report what their replicas are',
  found: /^(convergence|routers are served)/,
  provokedBy: [],
  install(world) {
    world.onRole = (role: RoleAgent) => Object.assign(role, { roles: () => undefined });
  },
};

export const L3_PLANTS: Readonly<Record<string, L3Plant>> = Object.fromEntries(
  [onePath, noArbiter, allStepBack, deadMan, noHoldDown, mute].map((plant) => [plant.name, plant]),
);
