/** Bugs put in on purpose, at the seams: to see that each is found. */
import type { RoleAgent } from '../../src/agents/role.ts';
import type { Mirror } from '../../src/watch/mirror.ts';
import type { BatchFrame, Frame } from '../../src/watch/protocol.ts';
import type { World } from './world.ts';

export interface Plant {
  readonly name: string;
  readonly summary: string;
  readonly install: (world: World) => void;
  /** It takes hundreds of seeds: too long for the tests. */
  readonly isSeldomMet?: boolean;
  /** What brings it out, where that is seldom: kinds of faults and requests. */
  readonly provokedBy?: { readonly faults: readonly string[]; readonly requests: readonly string[] };
}

const isEmpty = (record: Readonly<Record<string, unknown>>) => Object.keys(record).length === 0;

/** A feed that drops one change: once in a run, one object is missing from what a batch tells one agent. */
const dropChange: Plant = {
  name: 'drop-change',
  summary: 'the feed leaves one changed object out of one batch',
  install(world) {
    let skip = Math.floor(world.random.next() * 20);
    world.network.tap = (_agent, frame) => {
      if (frame.type !== 'batch' || isEmpty(frame.changes) || skip-- !== 0) return frame;
      const [group = ''] = Object.keys(frame.changes);
      const [key = ''] = Object.keys(frame.changes[group] ?? {});
      const { [key]: dropped, ...kept } = frame.changes[group] ?? {};
      world.scheduler.note(`planted: ${group}|${key} is dropped, was ${JSON.stringify(dropped)}`);
      return { ...frame, changes: { ...frame.changes, [group]: kept } };
    };
  },
};

/** A mirror that applies a batch of the past as if it began where the mirror stands. */
const acceptOlder: Plant = {
  name: 'accept-older',
  summary: 'mirrors apply batches from older positions',
  install(world) {
    world.onMirror = (mirror: Mirror) => {
      const apply = mirror.apply.bind(mirror);
      mirror.apply = (frame: Frame) => {
        const { place } = mirror;
        if (frame.type !== 'batch' || !place || frame.from.position >= place.position) return apply(frame);
        world.scheduler.note(`planted: a batch from ${frame.from.position} at ${place.position}`);
        const older: BatchFrame = { ...frame, from: place, to: place };
        return apply(older);
      };
    };
  },
};

/** A role that says "done" before it has begun. */
const activeEarly: Plant = {
  name: 'active-early',
  summary: 'roles report a network as served before they look at it',
  install(world) {
    world.onRoles = (roles) => roles.map(early);
  },
};

function early(role: RoleAgent): RoleAgent {
  return new Proxy(role, {
    get(target, name) {
      if (name === 'reconcile') {
        return async (key: string, signal: AbortSignal) => {
          target.reconcile(key, signal).catch(() => undefined);
          return { shortfalls: [] };
        };
      }
      const value = target[name as keyof RoleAgent] as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A leader that does not ask whether it still is one. */
const oldLeader: Plant = {
  name: 'old-leader',
  summary: 'leaders write without comparing their term',
  provokedBy: { faults: ['server-pause', 'slow-database', 'agent-pause'], requests: ['switch-agent'] },
  install(world) {
    world.onServer = ({ leader }) => {
      Object.defineProperty(leader, 'isLeader', { get: () => leader.term > 0 });
      leader.guard = async () => undefined;
    };
  },
};

/** A server that ends each move as soon as it has begun. */
const endEarly: Plant = {
  name: 'end-early',
  summary: 'bindings that leave go before others serve',
  provokedBy: { faults: ['slow-disk', 'agent-pause'], requests: ['switch-agent', 'add-ports'] },
  install(world) {
    const again = () => {
      const leaving = world.store.rows('dhcpBindings').filter((binding) => binding.leaving);
      const end = async () => {
        for (const { network_id, agent_id, host } of leaving) {
          await world.store.transact(async (tx) => {
            await tx.ports.remove({ network_id, host, device_owner: 'network:dhcp' });
            await tx.dhcpBindings.remove({ network_id, agent_id, leaving: true });
          });
        }
      };
      world.scheduler.follow(end());
      world.scheduler.after(200, '', again);
    };
    again();
  },
};

/** A server that takes what it did not hear while it stood still for silence. */
const deafJudge: Plant = {
  name: 'deaf-judge',
  summary: 'servers judge others without a look at their own health',
  isSeldomMet: true,
  install(world) {
    world.onServer = ({ presence }) => {
      presence.attention.since = () => Number.NEGATIVE_INFINITY;
    };
  },
};

/** A role that rebuilds all of a network when it is asked to rebuild what does not serve. */
const roughRemedy: Plant = {
  name: 'rough-remedy',
  summary: 'rebuilding a network stops its dnsmasq, though it serves',
  provokedBy: { faults: ['full-disk', 'drift'], requests: ['add-ports', 'drop-port'] },
  install(world) {
    world.onRoles = (roles, machine) => {
      const dhcp = roles.find((role) => role.role === 'dhcp');
      const rebuild = dhcp?.rebuild?.bind(dhcp);
      if (dhcp && rebuild) {
        dhcp.rebuild = async (key, signal) => {
          machine.host.endProcess(key.replace('network/', 'dnsmasq-'));
          await rebuild(key, signal);
        };
      }
      return roles;
    };
  },
};

export const PLANTS: Readonly<Record<string, Plant>> = Object.fromEntries(
  [dropChange, acceptOlder, activeEarly, oldLeader, endEarly, deafJudge, roughRemedy].map((plant) => [
    plant.name,
    plant,
  ]),
);
