/**
 * What every server can say of the whole fleet: read from the rows now and then, so that asking for metrics never waits
 * for the database; and who leads.
 */
import type { Registry } from 'prom-client';
import type { Duty } from '../background/duties.ts';
import { openMasses } from '../operations/liveness.ts';
import { AGENT_TYPES, type Liveness, type Role } from '../resources/agent.ts';
import type { Store } from '../store/store.ts';
import { by, show } from './shown.ts';

const COUNT_MS = 15_000;
const ROLES = Object.keys(AGENT_TYPES) as Role[];
const FENCED = ['acting', 'off', 'failed'] as const;
const STATES: readonly Liveness[] = ['alive', 'held', 'dead'];

interface Count {
  readonly role: Role;
  readonly state: Liveness;
  readonly count: number;
}

/** The fleet's numbers as they were at the last count. */
export class Fleet {
  readonly #store: Pick<Store, 'view'>;
  readonly #servers: () => readonly string[];
  agents: readonly Count[] = [];
  /** Agents that no living server hears, whatever is made of them. */
  unheard: readonly Omit<Count, 'state'>[] = [];
  massSilences = 0;
  leavingBindings = 0;
  /** Hosts by how their last fencing ended, as long as they were not heard since. */
  fenced: Readonly<Record<(typeof FENCED)[number], number>> = { acting: 0, off: 0, failed: 0 };
  /** Fence devices by what they said when they were last asked. */
  fenceDevices = { answers: 0, fails: 0 };

  /** `servers`: those that live. */
  constructor(store: Pick<Store, 'view'>, servers: () => readonly string[]) {
    this.#store = store;
    this.#servers = servers;
  }

  /** Counts now and then. */
  get duty(): Duty {
    return { name: 'count', intervalMs: COUNT_MS, perform: () => this.count() };
  }

  async count(): Promise<void> {
    await this.#store.view(async (view) => {
      const agents: Count[] = [];
      const unheard: Omit<Count, 'state'>[] = [];
      const servers = this.#servers();
      for (const role of ROLES) {
        const heard = await view.agents.count({ role, server_id: servers });
        unheard.push({ role, count: (await view.agents.count({ role })) - heard });
        for (const state of STATES) {
          agents.push({ role, state, count: await view.agents.count({ role, liveness: state }) });
        }
      }
      this.massSilences = (await openMasses(view)).length;
      this.agents = agents;
      this.unheard = unheard;
      const ofState = (state: (typeof FENCED)[number]) => view.fencings.count({ state });
      this.fenced = {
        acting: await ofState('acting'),
        off: await ofState('off'),
        failed: await ofState('failed'),
      };
      this.fenceDevices = {
        answers: await view.fenceChecks.count({ ok: true }),
        fails: await view.fenceChecks.count({ ok: false }),
      };
      this.leavingBindings = await view.dhcpBindings.count({ leaving: true });
    });
  }
}

export interface FleetSources {
  readonly fleet: Fleet;
  readonly leader: { readonly isLeader: boolean; readonly term: number };
  readonly rescheduler: {
    readonly counts: Readonly<Record<'added' | 'gone' | 'unserved' | 'staying', number>>;
  };
}

export function registerFleetMetrics(registry: Registry, { fleet, leader, rescheduler }: FleetSources): void {
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_agents', labels: ['role', 'state'] },
    help: 'Agents by whether they are taken for dead (all servers say the same).',
    read: () => fleet.agents.map(({ role, state, count }) => [{ role, state }, count] as const),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_agents_unheard', labels: ['role'] },
    help: 'Agents that no living server hears, also those that are not taken for dead.',
    read: () => fleet.unheard.map(({ role, count }) => [{ role }, count] as const),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_fenced_hosts', labels: ['state'] },
    help: 'Hosts by how their fencing ended, until they are heard again (all servers say the same).',
    read: () => by('state', fleet.fenced),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_fence_devices', labels: ['state'] },
    help: 'Fence devices by whether they answered as they should when they were last asked (all servers say the same).',
    read: () => by('state', fleet.fenceDevices),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_mass_silences' },
    help: 'Open alerts of many hosts that are silent at once: nothing of theirs is moved (all servers say the same).',
    read: () => fleet.massSilences,
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_dhcp_moves_pending' },
    help: 'DHCP bindings that serve on until others do (all servers say the same).',
    read: () => fleet.leavingBindings,
  });
  show(registry, {
    ...{ type: 'counter', name: 'deuteron_dhcp_bindings_added_total' },
    help: 'Networks that this server, as leader, has given to DHCP agents.',
    read: () => rescheduler.counts.added,
  });
  show(registry, {
    ...{ type: 'counter', name: 'deuteron_dhcp_bindings_removed_total' },
    help: 'Bindings that this server has taken away because others serve.',
    read: () => rescheduler.counts.gone,
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_networks_unserved' },
    help: 'Networks with ports whose DHCP no living agent serves; only the leader knows, others say 0.',
    read: () => rescheduler.counts.unserved,
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_networks_staying' },
    help: 'Networks that should leave an agent (it is drained, say) and have nowhere to go; only the leader knows, others say 0.',
    read: () => rescheduler.counts.staying,
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_leader' },
    help: 'Whether this server performs what only one does.',
    read: () => (leader.isLeader ? 1 : 0),
  });
  show(registry, {
    ...{ type: 'gauge', name: 'deuteron_leader_term' },
    help: 'The term that this server leads in; 0 where it does not.',
    read: () => leader.term,
  });
}
