/**
 * Whether a host is to be switched off by its fence device. Pure; the last word before something that cannot be undone, so every
 * doubt is a no.
 *
 * Two witnesses, which fail for different reasons:
 *
 * 1. the servers: none of them hears the host's agent, and it was declared dead (convergence/liveness.ts). That goes by TCP from the
 *    host to the servers, and needs its agent.
 * 2. the peers: other hosts that have replicas of the same HA routers, whose own agents are heard. They ask the host's kernel by the
 *    tunnel and by the management network, and need no agent there. At least one says that nothing answers by either, and none says
 *    that something does. What they say counts only while they say it: a host that came back and whose agent did not is reached, and is
 *    left alone. So they have to go on asking: replicas stay the dead host's, beside those that others were given, until the host is
 *    settled (operations/fencing.ts).
 *
 * What the host still does on networks that nobody reaches it by is not asked for: whoever could tell would reach it. That it may still hold
 * addresses is what the power is taken for.
 */

/** A peer's word, as last reported. */
export interface Witness {
  readonly host: string;
  readonly answers: boolean;
}

export interface Suspect {
  readonly host: string;
  /** For how long it has been dead, and for how long all witnesses have been of one mind besides (ms, seen by this server). */
  readonly deadMs: number;
  readonly agreedMs: number;
  readonly witnesses: readonly Witness[];
  /** Ports bound there that are not network services' own: a machine hangs on each. */
  readonly machines: number;
  /** An operator emptied it, and is at work on it. */
  readonly isDrained: boolean;
  /** This very server runs there. */
  readonly isOwn: boolean;
  /** How the last action on it ended; null: there was none since it was last heard. */
  readonly last: 'off' | 'failed' | 'acting' | null;
  /** Of that action among all; 0 for none. */
  readonly number: number;
}

export interface Cloud {
  readonly hosts: number;
  /** Dead, silent, held down, or unreached by peers; the suspects among them. */
  readonly bad: number;
  /** For how long no action was begun anywhere (ms, as this server has seen it); null: there never was one. */
  readonly quietMs: number | null;
}

export interface FenceRules {
  readonly afterMs: number;
  readonly windowMs: number;
  /** Machines on it are no reason to leave it on. */
  readonly endsMachines: boolean;
}

export const REFUSALS = ['own', 'machines', 'many', 'reached', 'unwitnessed', 'window'] as const;
export type Refusal = (typeof REFUSALS)[number];

export type FenceVerdict =
  /** There is nothing to be done, or not yet. */
  | { readonly do: 'nothing' }
  | { readonly do: 'refuse'; readonly refusal: Refusal; readonly why: string }
  | { readonly do: 'fence'; readonly why: string };

/** Nothing is asked of it, whatever its witnesses say: it is off, or an operator is at work on it. */
export const isSettled = ({ isDrained, last }: Pick<Suspect, 'isDrained' | 'last'>): boolean =>
  isDrained || last === 'off';

const NOTHING: FenceVerdict = { do: 'nothing' };

export function judgeFencing(suspect: Suspect, cloud: Cloud, rules: FenceRules): FenceVerdict {
  const { deadMs, agreedMs, witnesses } = suspect;
  if (isSettled(suspect) || deadMs < rules.afterMs) return NOTHING;
  const refused = REFUSALS.map((refusal) => ({ refusal, why: WHY[refusal](suspect, cloud, rules) }));
  const [first] = refused.filter(({ why }) => why !== null);
  // what passes by itself, and what is only to be waited for, is looked at last
  if (first !== undefined && first.refusal !== 'window')
    return { do: 'refuse', refusal: first.refusal, why: first.why ?? '' };
  if (agreedMs < rules.afterMs) return NOTHING;
  if (first !== undefined) return { do: 'refuse', refusal: first.refusal, why: first.why ?? '' };
  const seconds = Math.round(agreedMs / 1000);
  const peers = witnesses.map(({ host }) => host).join(' and ');
  return {
    do: 'fence',
    why: `no server has heard its agent, and ${peers} got no answer from it by any network, for ${seconds} s`,
  };
}

/** Why not, in words; null: that is no reason. */
const WHY: Readonly<Record<Refusal, (suspect: Suspect, cloud: Cloud, rules: FenceRules) => string | null>> = {
  own: ({ isOwn }) => (isOwn ? 'the server that would do it runs there' : null),
  machines: ({ machines }, _, { endsMachines }) =>
    machines === 0 || endsMachines ? null : `${machines} ports of machines are bound there`,
  // not a third of them exactly: of three hosts one may go
  many: (_, { bad, hosts }) =>
    bad * 3 > hosts ? `${bad} of ${hosts} hosts look bad: the fault is hardly theirs` : null,
  reached: ({ witnesses }) => {
    const reach = witnesses.filter(({ answers }) => answers).map(({ host }) => host);
    return reach.length === 0 ? null : `${reach.join(' and ')} still reach it: only its agent is gone`;
  },
  unwitnessed: ({ witnesses }) =>
    witnesses.length > 0
      ? null
      : 'no host whose agent is heard, and which shares an HA router with it, says that it reached it before by both networks and does not now',
  window: (_, { quietMs }, { windowMs }) =>
    quietMs === null || quietMs >= windowMs
      ? null
      : `a host was fenced ${Math.round(quietMs / 1000)} s ago, and there is one in ${windowMs / 1000} s`,
};

/** Of those that are to be fenced the one whose turn it is: there is only one at a time, and one that failed waits for the others. */
export function nextToFence<One extends Pick<Suspect, 'host' | 'number'>>(
  due: readonly One[],
): One | undefined {
  return [...due].sort((a, b) => a.number - b.number || (a.host < b.host ? -1 : 1))[0];
}
