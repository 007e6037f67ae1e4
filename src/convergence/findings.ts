/**
 * What may be the matter, one finding each: what is missing, where, since when, why, what is being done. Facts in,
 * sentences out; pure. `explain.ts` says which of them apply to a port, a network, an agent.
 *
 * A member gets no names of hosts, nor what a host's programs said (as Neutron hides `binding:host_id`).
 */
import { isFirewallGroup, splitKey } from '../resources/agent-view.ts';
import type { Liveness, Role } from '../resources/agent.ts';
import type { EventRow } from '../resources/event.ts';
import type { AgentLag, OwedNow } from './lag.ts';

export type FindingState = 'waiting' | 'pending' | 'failing';

export interface Finding {
  /** For programs, e.g. `agent-dead`. */
  readonly code: string;
  /** failing: it does not come by itself as things are; pending: it is on its way; waiting: for the world. */
  readonly state: FindingState;
  /** '' where it is of no host, or is not to be told. */
  readonly host: string;
  readonly role: Role | '';
  /** Since when (UTC); null: not known. */
  readonly since: string | null;
  /** The whole, for people. */
  readonly sentence: string;
}

/** An agent as it stands. */
export interface AgentFacts {
  readonly id: string;
  readonly host: string;
  readonly role: Role;
  readonly liveness: Liveness;
  readonly adminStateUp: boolean;
  /** When it was last heard, if it is not alive. */
  readonly heardAt: string;
  readonly lag: AgentLag;
  /** Of one that is held: since when, and until when unless it dies again (UTC), as far as an event tells it. */
  readonly hold?: { readonly since: string; readonly until: string };
}

export type EventFacts = Pick<
  EventRow,
  'id' | 'at' | 'kind' | 'host' | 'role' | 'object' | 'message' | 'data'
>;

/** Who asks, and what else is known. */
export interface Audience {
  readonly isAdmin: boolean;
  /** What happened lately, the newest first; [] for members. */
  readonly events: readonly EventFacts[];
}

interface Parts {
  readonly code: string;
  readonly state: FindingState;
  readonly host?: string;
  readonly role?: Role;
  readonly what: string;
  readonly since?: string | null;
  /** From an agent: only admins get it. */
  readonly why?: string;
  /** A whole sentence. */
  readonly doing?: string;
}

/** `2026-01-31T12:00:03.123Z` or `...:03Z` as people read it. */
export const shortTime = (at: string): string => at.replace(/\.\d+Z$/, 'Z');

export function finding(audience: Audience, parts: Parts): Finding {
  const { code, state, host = '', role = '', what, why = '', doing = '' } = parts;
  const since = parts.since || null;
  const told = audience.isAdmin ? why : '';
  const sentence = [
    what,
    since === null ? '' : ` since ${shortTime(since)}`,
    told === '' ? '' : `: ${told.replace(/[.\s]+$/, '')}`,
    '.',
    doing === '' ? '' : ` ${doing}`,
  ].join('');
  return { code, state, host: audience.isAdmin ? host : '', role, since, sentence };
}

/** The host's name, or words for it. */
export const named = (audience: Audience, host: string, words: string): string =>
  audience.isAdmin ? host : words;

const ROLE_NAMES: Readonly<Record<Role, string>> = { l2: 'L2 agent', dhcp: 'DHCP agent', l3: 'L3 agent' };

/** The last of these events about an object (or a batch with it), if any. */
export function lastAbout(
  { events }: Audience,
  about: {
    readonly object?: string;
    readonly host?: string;
    readonly kinds: readonly EventFacts['kind'][];
    /** Of alerts only those of that name. */
    readonly alert?: string;
  },
): EventFacts | undefined {
  const { object, host, kinds, alert } = about;
  return events.find(
    (event) =>
      kinds.includes(event.kind) &&
      (alert === undefined || event.data['alert'] === alert) &&
      (object === undefined || event.object === object || batchHas(event, object)) &&
      (host === undefined || event.host === host || event.host === ''),
  );
}

/** A move of many networks is one event. */
function batchHas({ data }: EventFacts, object: string): boolean {
  const { networks } = data;
  return Array.isArray(networks) && networks.some((id) => object === `network/${String(id)}`);
}

/** What is missing, where, and since when. */
interface Matter {
  readonly key: string;
  readonly host: string;
  readonly role: Role | '';
  readonly since: string | null;
}

/**
 * Whether the event is of something done about the matter: not of before it began, nor of another host or role. That an alert
 * ended is nothing done about what is the matter now, and an alert is of this as long as it is open.
 */
function isOf({ events }: Audience, event: EventFacts, { key, host, role, since }: Matter): boolean {
  if (event.object !== key && !batchHas(event, key)) return false;
  if (role !== '' && event.role !== '' && event.role !== role) return false;
  const isLater = since !== null && Date.parse(event.at) >= Date.parse(since);
  if (event.kind !== 'alert') return isLater && (event.host === host || event.host === '');
  const isOpen = !events.some((one) => one.kind === 'alert-ended' && one.data['ends'] === event.id);
  return event.host === host && isOpen && (isLater || since === null);
}

const DONE_KINDS: readonly EventFacts['kind'][] = ['remedy', 'alert', 'move-begun', 'move-done'];

/** What is being done about it, from what was written down. */
export function doingAbout(audience: Audience, matter: Matter, otherwise: string): string {
  const { events } = audience;
  const last = events.find((event) => DONE_KINDS.includes(event.kind) && isOf(audience, event, matter));
  return last ? `Last done, at ${shortTime(last.at)}: ${last.message}` : otherwise;
}

/** What becomes of what a dead agent of that role had. */
function afterDeath(role: Role, hasTaker: boolean): string {
  if (role !== 'dhcp') return 'What runs on the host runs on.';
  return hasTaker
    ? 'Its networks are given to living agents.'
    : 'There is no living agent to give its networks to: it keeps them.';
}

/** What is the matter with an agent as a whole; [] where nothing is. `hasTaker`: somebody else could be given its networks. */
export function agentFindings(
  audience: Audience,
  agent: AgentFacts,
  { hasTaker = false }: { readonly hasTaker?: boolean } = {},
): Finding[] {
  const { host, role, lag, liveness } = agent;
  const who = `The ${ROLE_NAMES[role]} of ${named(audience, host, 'the host')}`;
  const of = { host, role };
  const pending = lag.owed.filter((one) => one.state === 'pending').length;
  const missed = pending === 0 || !audience.isAdmin ? 'what it misses' : `what it missed (${pending} so far)`;
  const later = `Once it is back it gets ${missed}.`;
  if (liveness === 'dead') {
    const died = lastAbout(audience, { host, kinds: ['agent-died'] });
    const doing = `${afterDeath(role, hasTaker)} ${later}`;
    const what = `${who} is taken for dead${died ? ` (${shortTime(died.at)})` : ''}, not heard`;
    return [
      finding(audience, { code: 'agent-dead', state: 'failing', ...of, what, since: agent.heardAt, doing }),
    ];
  }
  if (!lag.heard) {
    const doing = `What runs on the host runs on. ${later}`;
    const what = `${who} is connected to no server`;
    return [
      finding(audience, { code: 'agent-away', state: 'failing', ...of, what, since: agent.heardAt, doing }),
    ];
  }
  const found: Finding[] = [];
  if (liveness === 'held') {
    const { hold } = agent;
    const until = hold ? `until ${shortTime(hold.until)} at the earliest` : 'for a while';
    const what = `${who} died several times lately and gets nothing new ${until}, held down`;
    const since = hold?.since ?? null;
    found.push(finding(audience, { code: 'agent-held', state: 'waiting', ...of, what, since }));
  }
  if (!agent.adminStateUp) {
    const what = `${who} is switched off (admin_state_up is false) and gets nothing new`;
    found.push(finding(audience, { code: 'agent-off', state: 'waiting', ...of, what }));
  }
  if (lag.state === 'unknown') {
    const [whole] = lag.owed.filter((one) => one.key === '');
    const what = `${who} has not said yet what it has realised of the log`;
    const since = whole?.sinceAt ?? null;
    const silence = silenceOf(audience, agent, since);
    const late = 'It is late: it should have reported by now.';
    const usual = 'It looks at everything first, and then reports.';
    const doing = silence ? `${late} ${silence.doing}` : whole?.overdue ? late : usual;
    found.push(finding(audience, { code: 'agent-unknown', state: 'pending', ...of, what, since, doing }));
  }
  const behind = lag.owed.filter((one) => one.state === 'pending' && one.since > 0);
  const oldest = behind.find((one) => one.sinceAt !== null)?.sinceAt ?? null;
  if (behind.some((one) => one.overdue) && lag.lag !== null && lag.lag > 0) {
    const positions = lag.lag === 1 ? '1 position of the log is' : `${lag.lag} positions of the log are`;
    const what = `${who} is behind${audience.isAdmin ? `: ${positions} not realised there` : ''}`;
    const matter = { key: '', host, role, since: oldest };
    const silence = silenceOf(audience, agent, oldest);
    const unreported = `It is late: it has reported nothing since ${shortTime(silence?.since ?? lag.reportedAt)}.`;
    const usual = `It is late. It has them, or gets them once it reads again.`;
    const doing = silence ? `${unreported} ${silence.doing}` : doingAbout(audience, matter, usual);
    found.push(
      finding(audience, { code: 'agent-lagging', state: 'pending', ...of, what, since: oldest, doing }),
    );
  }
  if (!found.some((one) => one.code === 'agent-unknown' || one.code === 'agent-lagging')) {
    const silence = silenceOf(audience, agent, null);
    const what = `${who} is connected, and nothing has been reported by it`;
    if (silence)
      found.push(finding(audience, { code: 'agent-silent', state: 'pending', ...of, what, ...silence }));
  }
  return found;
}

/** What was done about reports that do not come, since then or while the alert is open; and since when nothing has come. */
function silenceOf(
  { events }: Audience,
  { host, role }: AgentFacts,
  since: string | null,
): { readonly since: string | null; readonly doing: string } | undefined {
  const own = events.filter((one) => one.host === host && (one.role === '' || one.role === role));
  const alert = own.find((one) => one.kind === 'alert' && one.data['alert'] === 'silent');
  const isOpen = alert && !events.some((one) => one.kind === 'alert-ended' && one.data['ends'] === alert.id);
  const last = own.find((one) => one.kind === 'remedy' && one.data['remedy'] === 'cut');
  const isLater = last && since !== null && Date.parse(last.at) >= Date.parse(since);
  const cut = isOpen || isLater ? last : undefined;
  const told = isOpen ? alert : cut;
  if (!told) return undefined;
  const doing = [
    ...(cut ? [`Its watch was cut at ${shortTime(cut.at)}, so that it connects anew.`] : []),
    ...(isOpen ? [`The alert \`silent\` is open since ${shortTime(alert.at)}: ${alert.message}`] : []),
  ].join(' ');
  const silentMs = Number(told.data['overdue_ms'] ?? 0);
  return { since: new Date(Date.parse(told.at) - silentMs).toISOString(), doing };
}

/** Something that one agent owes. */
export function owedFinding(audience: Audience, { host, role }: AgentFacts, owed: OwedNow): Finding {
  const where = named(audience, host, WORDS[role]);
  const thing = thingOf(audience, owed);
  const common = { host, role, since: owed.sinceAt, why: owed.reason };
  if (owed.state === 'waiting') {
    if (owed.object.startsWith('port/') && role === 'l2') {
      const doing = 'Somebody has to plug it in there (the hypervisor, or `deuteron port plug`).';
      const what = `The link of ${thing} is not on ${where}`;
      return finding(audience, { ...common, code: 'link-missing', state: 'waiting', what, doing });
    }
    const what = `${thing} waits on ${where}`;
    return finding(audience, { ...common, code: `${role}-waiting`, state: 'waiting', what });
  }
  const about = { key: owed.key, host, role, since: owed.sinceAt };
  if (owed.state === 'failed') {
    const doing = doingAbout(audience, about, 'The agent tries again.');
    const what = isFirewallGroup(owed.key)
      ? `${thing} is not in force on ${where}`
      : FAILING[role](thing, where);
    return finding(audience, { ...common, code: `${role}-failing`, state: 'failing', what, doing });
  }
  const late = owed.overdue ? ' It should be done by now.' : ' That takes a moment.';
  const doing = doingAbout(audience, about, '');
  const what = `${thing} is not realised on ${where} yet`;
  const more = doing === '' ? late.trim() : `${late.trim()} ${doing}`;
  const code = owed.overdue ? 'overdue' : 'pending';
  return finding(audience, { ...common, code, state: 'pending', what, doing: more });
}

const FAILING: Readonly<Record<Role, (thing: string, where: string) => string>> = {
  l2: (thing, where) => `${thing} cannot be wired on ${where}`,
  dhcp: (thing, where) => `DHCP on ${where} fails for ${thing}`,
  l3: (thing, where) => `${thing} cannot be routed on ${where}`,
};

/** Where something is owed, for those who are not told the host. */
const WORDS: Readonly<Record<Role, string>> = {
  l2: 'its host',
  dhcp: 'a host that serves its DHCP',
  l3: 'a host of the router',
};

function thingOf(audience: Audience, { key, object, since }: OwedNow): string {
  if (object.startsWith('endpoint/')) {
    const other = named(audience, object.slice('endpoint/'.length), 'another host');
    return `The way to ${other} for ${key.replace('/', ' ')}`;
  }
  const { kind, id } = splitKey(key);
  if (kind === 'security-group') return `Security group ${id}`;
  if (kind === 'members') return `The membership of security group ${id}`;
  if (object !== '') return object.replace('/', ' ');
  return key === '' ? `everything from position ${since} on` : key.replace('/', ' ');
}
