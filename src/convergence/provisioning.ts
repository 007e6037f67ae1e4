/**
 * When a port may be ACTIVE. A block opened at position Q is lifted by what agents have realised at or above Q:
 *
 * - L2: the bound host has wired the port and has all that its firewall is made of in force, and each living DHCP host of the network floods to the bound host (else the
 *   first OFFER is lost while the API says ACTIVE).
 * - DHCP: any one of the network's DHCP agents has the port's lease.
 * - L3: a host of the router has the port in its namespace; for an HA port that is its own host.
 */
import type { ReportException } from '../resources/agent.ts';
import type { ProvisioningBlockRow } from '../resources/port.ts';

/** How far one role of one host is, by its last report. */
export interface Progress {
  readonly host: string;
  /** null: unknown, or of another lineage. */
  readonly realised: number | null;
  readonly exceptions: readonly ReportException[];
}

export interface BlockFacts {
  readonly networkId: string;
  readonly portId: string;
  readonly generation: number;
  readonly boundHost: string;
  /** L2 agents by host, of the bound host and of the DHCP hosts. */
  readonly l2: ReadonlyMap<string, Progress>;
  /** The network's DHCP agents, those that are leaving it included: they serve on. */
  readonly dhcp: readonly Server[];
  /** The L3 agents that have the port, if it is a router's. */
  readonly l3?: readonly Server[];
  readonly routerId?: string;
  /** What its firewall is made of, as keys of the L2 agent; absent for nothing. */
  readonly firewall?: ReadonlySet<string>;
}

/** A DHCP agent of the network. */
export interface Server extends Progress {
  readonly alive: boolean;
  /** The position since which the network is its own (null: not yet committed); what it had realised before says nothing of it. */
  readonly since: number | null;
}

/** Whether an exception says that the change at `position` is not realised. What waits, waits whenever it was asked for. */
const covers = (exception: ReportException, position: number): boolean =>
  exception.state === 'waiting' || exception.since <= position;

/** Whether the agent has realised this object (`port/<id>`, `endpoint/<host>`) of the network as of `position`. */
export function hasRealised(
  progress: Progress | undefined,
  target: { readonly networkId: string; readonly object: string },
  position: number,
): boolean {
  const { networkId, object } = target;
  return hasRealisedKey(progress, { key: `network/${networkId}`, object }, position);
}

/** The same for an object of any key. */
export function hasRealisedKey(
  progress: Progress | undefined,
  { key, object }: { readonly key: string; readonly object: string },
  position: number,
): boolean {
  if (!progress || progress.realised === null || progress.realised < position) return false;
  return !progress.exceptions.some((exception) => {
    const concerns = exception.key === key && (exception.object === '' || exception.object === object);
    return concerns && covers(exception, position);
  });
}

/** Whether the agent has realised its binding, and the object, as of `position`. */
const serves = (agent: Server, target: { networkId: string; object: string }, position: number): boolean =>
  agent.since !== null && hasRealised(agent, target, Math.max(position, agent.since));

/**
 * The DHCP hosts whose floods a new port waits for: the living ones that serve by now. One that was only just given the network
 * does not hold a port that others serve; where none serves yet, all that live count.
 */
function answering(facts: BlockFacts): Server[] {
  const alive = facts.dhcp.filter((agent) => agent.alive);
  const started = alive.filter((agent) => serves(agent, { networkId: facts.networkId, object: '' }, 0));
  return started.length > 0 ? started : alive;
}

/** Whether the host waits for something before it can have the network at all, as a link that leads to it. */
export const isUnattached = ({ exceptions }: Progress, networkId: string): boolean =>
  exceptions.some(
    (one) => one.key === `network/${networkId}` && one.object === '' && one.state === 'waiting',
  );

/** Whether what the block waits for has been reported. */
export function isLifted(block: ProvisioningBlockRow, facts: BlockFacts): boolean {
  const { position } = block;
  // Without a position its transaction has not committed; of another generation it is of a binding that is gone.
  if (position === null || block.generation !== facts.generation) return false;
  const { networkId, boundHost } = facts;
  const object = `port/${facts.portId}`;
  if (block.entity === 'DHCP') {
    return facts.dhcp.some((agent) => serves(agent, { networkId, object }, position));
  }
  if (block.entity === 'L3') {
    const key = `router/${facts.routerId}`;
    return (facts.l3 ?? []).some(
      (agent) =>
        agent.since !== null && hasRealisedKey(agent, { key, object }, Math.max(position, agent.since)),
    );
  }
  const l2 = facts.l2.get(boundHost);
  if (!hasRealised(l2, { networkId, object }, position)) return false;
  const { firewall } = facts;
  if (firewall && l2?.exceptions.some((one) => firewall.has(one.key) && covers(one, position))) return false;
  return answering(facts).every(({ host, since }) => {
    const l2 = facts.l2.get(host);
    // A dead host, one without an L2 agent, one that the network does not reach: it floods nothing, and waiting for it
    // would hold the port for good.
    if (host === boundHost || !l2 || isUnattached(l2, networkId)) return true;
    return hasRealised(
      l2,
      { networkId, object: `endpoint/${boundHost}` },
      Math.max(position, since ?? position),
    );
  });
}
