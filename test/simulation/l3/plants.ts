/** Bugs of ours put in on purpose: to see that each invariant finds its own. */
import type { RoleAgent } from '../../../src/agents/role.ts';
import type { Body } from '../../../src/resources/agent-view.ts';
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

const deaf: L3Plant = {
  name: 'deaf-to-orders',
  summary: 'agents do not see what servers tell replicas',
  found: /^never two: .* joined by server/,
  provokedBy: ['peers-cut'],
  install(world) {
    world.onSight = (mirror) => ({
      host: mirror.host,
      groups: () => mirror.groups(),
      group: (name) => {
        const objects = mirror.group(name);
        const strip = ([key, body]: [string, Body]) =>
          [key, 'order' in body ? { ...body, order: null } : body] as const;
        return objects && new Map([...objects].map(strip));
      },
    });
  },
};

const stubborn: L3Plant = {
  name: 'stubborn',
  summary: 'who is alone never leaves a router to another',
  found: /^never two: .* joined by outside/,
  provokedBy: ['switch-down', 'tunnel-and-management'],
  install(world) {
    world.traits.isolation = 'off';
  },
};

/** Every so often, for ever. */
function again(world: L3World, everyMs: number, act: () => void): void {
  world.scheduler.after(everyMs, '', () => {
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

const noHealth: L3Plant = {
  name: 'no-health',
  summary: 'a replica does not mind that it cannot serve',
  found: /^useful active/,
  provokedBy: ['wire-dark', 'wire-cut'],
  install(world) {
    world.traits.hasHealth = false;
  },
};

const staleRoles: L3Plant = {
  name: 'stale-roles',
  summary: 'an agent goes on to say what its replicas were a while ago',
  found: /^(rows say who|convergence)/,
  provokedBy: ['host-off', 'wires-all'],
  install(world) {
    world.onRole = (role) => {
      const roles = role.roles?.bind(role);
      let said: ReturnType<NonNullable<RoleAgent['roles']>>;
      let until = 0;
      return Object.assign(role, {
        roles: () => {
          if (world.scheduler.now >= until) {
            said = roles?.();
            until = world.scheduler.now + 20_000;
          }
          return said;
        },
      });
    };
  },
};

export const L3_PLANTS: Readonly<Record<string, L3Plant>> = Object.fromEntries(
  [onePath, deaf, stubborn, allStepBack, deadMan, noHoldDown, noHealth, mute, staleRoles].map((plant) => [
    plant.name,
    plant,
  ]),
);
