/**
 * What agents send, checked field by field before anything believes it. Fields that are not known are left out, so
 * that a newer agent may say more. A Fault names the field that is wrong. What passes can be stored.
 */
import { isIP } from 'node:net';
import type { Group } from '../resources/agent-view.ts';
import { AGENT_TYPES, type ReportException, type Role } from '../resources/agent.ts';
import { Fault } from '../resources/errors.ts';
import type { Place } from '../resources/place.ts';
import {
  type CheckReport,
  PATHS,
  PATH_STATES,
  REPLICA_STATES,
  type PeerReport,
  type ReplicaReport,
} from '../resources/replica-report.ts';
import { isStorable, isStorableJson } from '../resources/values.ts';
import {
  type Digest,
  MAX_EXCEPTIONS,
  MAX_ROLES,
  OPTIONAL_FRAMES,
  PROTOCOL_VERSION,
  type Report,
  type WatchRequest,
} from './protocol.ts';

const MAX_GROUPS = 100_000;
const MAX_REASON_CHARACTERS = 2_000;
/** As the column that it goes to. */
const MAX_EXCEPTION_COUNT = 2_147_483_647;
const MAX_CONFIGURATION_CHARACTERS = 64 * 1024;
/** Of one replica: reasons, checks. */
const MAX_DETAILS = 50;
const MAX_PENALTY = 255;

const GROUP = /^[a-z][a-z-]{0,31}\/[^\s|]{1,255}$/;
const DIGEST = /^[0-9a-f]{16}$/;
const ROUTER = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PHYSICAL_NETWORK = /^[^\s,:]{1,64}$/;

type Fields = Readonly<Record<string, unknown>>;

function wrong(field: string, what: string): Fault {
  return new Fault('HTTPBadRequest', `Invalid input for ${field}: ${what}.`);
}

function fieldsOf(value: unknown, field: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw wrong(field, 'not an object');
  return value as Fields;
}

function text(value: unknown, field: string, max = 255): string {
  if (typeof value !== 'string') throw wrong(field, 'not a string');
  if (value.length > max) throw wrong(field, `longer than ${max} characters`);
  if (!isStorable(value)) throw wrong(field, 'text that cannot be stored');
  return value;
}

function name(value: unknown, field: string): string {
  if (text(value, field) === '') throw wrong(field, 'empty');
  return value as string;
}

function whole(value: unknown, field: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw wrong(field, 'not a whole number of at least 0');
  }
  return value as number;
}

function list(value: unknown, field: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(field, 'not a list');
  if (value.length > max) throw wrong(field, `more than ${max} entries`);
  return value;
}

function role(value: unknown, field: string): Role {
  if (typeof value !== 'string' || !Object.hasOwn(AGENT_TYPES, value)) throw wrong(field, 'not a role');
  return value as Role;
}

function placeOrNull(value: unknown, field: string): Place | null {
  if (value === null) return null;
  const fields = fieldsOf(value, field);
  return {
    position: whole(fields.position, `${field}.position`),
    tag: whole(fields.tag, `${field}.tag`),
  };
}

function matching(value: unknown, field: string, pattern: RegExp): string {
  if (typeof value !== 'string' || !pattern.test(value) || !isStorable(value))
    throw wrong(field, 'not of the right form');
  return value;
}

/** The words of some program: however many, they are not worth refusing a report. */
function words(value: unknown, field: string): string {
  // the cut may go through a surrogate pair
  return text(value, field, Number.POSITIVE_INFINITY).slice(0, MAX_REASON_CHARACTERS).toWellFormed();
}

function flag(value: unknown, field: string): boolean {
  if (typeof value !== 'boolean') throw wrong(field, 'not true or false');
  return value;
}

function oneOf<T extends string>(value: unknown, field: string, all: readonly T[]): T {
  if (!all.includes(value as T)) throw wrong(field, `not one of ${all.join(', ')}`);
  return value as T;
}

function version(value: unknown): number {
  if (value !== PROTOCOL_VERSION) throw wrong('version', `this server speaks version ${PROTOCOL_VERSION}`);
  return value;
}

function configurations(value: unknown): Fields {
  const fields = fieldsOf(value, 'configurations');
  // first: it looks at the depth, too, and writing out what is very deep overflows the stack
  if (!isStorableJson(fields)) throw wrong('configurations', 'holds values that cannot be stored');
  if (JSON.stringify(fields).length > MAX_CONFIGURATION_CHARACTERS)
    throw wrong('configurations', 'too large');
  return fields;
}

function digests(value: unknown): Record<Group, Digest> {
  const entries = Object.entries(fieldsOf(value, 'groups'));
  if (entries.length > MAX_GROUPS) throw wrong('groups', `more than ${MAX_GROUPS}`);
  return Object.fromEntries(
    entries.map(([group, digest]) => [
      matching(group, 'groups', GROUP),
      matching(digest, `groups.${group}`, DIGEST),
    ]),
  );
}

/** Throws Fault HTTPBadRequest. */
export function readWatchRequest(value: unknown): WatchRequest {
  const it = fieldsOf(value, 'the request');
  const tunnelIp = text(it.tunnel_ip, 'tunnel_ip');
  if (tunnelIp !== '' && isIP(tunnelIp) === 0) throw wrong('tunnel_ip', 'not an IP address');
  const roles = list(it.roles, 'roles', Object.keys(AGENT_TYPES).length).map((one) => role(one, 'roles'));
  if (roles.length === 0) throw wrong('roles', 'none');
  if (new Set(roles).size !== roles.length) throw wrong('roles', 'one of them twice');
  return {
    version: version(it.version),
    host: name(it.host, 'host'),
    incarnation: whole(it.incarnation, 'incarnation'),
    roles,
    tunnel_ip: tunnelIp,
    physical_networks: list(it.physical_networks, 'physical_networks', 256).map((one) =>
      matching(one, 'physical_networks', PHYSICAL_NETWORK),
    ),
    configurations: configurations(it.configurations),
    place: placeOrNull(it.place, 'place'),
    groups: digests(it.groups),
    mismatched: list(it.mismatched ?? [], 'mismatched', MAX_GROUPS).map((one) =>
      matching(one, 'mismatched', GROUP),
    ),
    // a newer agent may take more than this server knows to send
    takes: OPTIONAL_FRAMES.filter((one) => list(it.takes ?? [], 'takes', 100).includes(one)),
  };
}

function exception(value: unknown): ReportException {
  const it = fieldsOf(value, 'exceptions');
  if (it.state !== 'waiting' && it.state !== 'failed' && it.state !== 'pending') {
    throw wrong('exceptions.state', 'not waiting, failed or pending');
  }
  return {
    key: name(it.key, 'exceptions.key'),
    object: text(it.object, 'exceptions.object'),
    state: it.state,
    since: whole(it.since, 'exceptions.since'),
    reason: words(it.reason, 'exceptions.reason'),
  };
}

function check(value: unknown): CheckReport {
  const it = fieldsOf(value, 'roles.checks');
  return {
    name: name(it.name, 'roles.checks.name'),
    ok: flag(it.ok, 'roles.checks.ok'),
    forMs: whole(it.forMs, 'roles.checks.forMs'),
    text: words(it.text, 'roles.checks.text'),
  };
}

function peer(value: unknown): PeerReport {
  const it = fieldsOf(value, 'roles.peers');
  return {
    host: name(it.host, 'roles.peers.host'),
    answers: flag(it.answers, 'roles.peers.answers'),
    ...(it.silentBy === undefined ? {} : { silentBy: oneOf(it.silentBy, 'roles.peers.silentBy', PATHS) }),
  };
}

function replica(value: unknown): ReplicaReport {
  const it = fieldsOf(value, 'roles');
  const paths = fieldsOf(it.paths, 'roles.paths');
  const penalty = whole(it.penalty, 'roles.penalty');
  if (penalty > MAX_PENALTY) throw wrong('roles.penalty', `more than ${MAX_PENALTY}`);
  return {
    router: matching(it.router, 'roles.router', ROUTER),
    state: oneOf(it.state, 'roles.state', REPLICA_STATES),
    seq: whole(it.seq, 'roles.seq'),
    forMs: whole(it.forMs, 'roles.forMs'),
    penalty,
    reasons: list(it.reasons, 'roles.reasons', MAX_DETAILS).map((one) => words(one, 'roles.reasons')),
    hears: flag(it.hears, 'roles.hears'),
    paths: {
      tunnel: oneOf(paths.tunnel, 'roles.paths.tunnel', PATH_STATES),
      management: oneOf(paths.management, 'roles.paths.management', PATH_STATES),
    },
    checks: list(it.checks, 'roles.checks', MAX_DETAILS).map(check),
    ...(it.peers === undefined ? {} : { peers: list(it.peers, 'roles.peers', MAX_DETAILS).map(peer) }),
    order: it.order === null ? null : whole(it.order, 'roles.order'),
    ...(it.rival === undefined ? {} : { rival: flag(it.rival, 'roles.rival') }),
    ...(it.doubts === undefined ? {} : { doubts: flag(it.doubts, 'roles.doubts') }),
  };
}

function replicas(value: unknown): ReplicaReport[] {
  const all = list(value, 'roles', MAX_ROLES).map(replica);
  if (new Set(all.map(({ router }) => router)).size !== all.length) throw wrong('roles', 'one of them twice');
  return all;
}

/** Throws Fault HTTPBadRequest. */
export function readReport(value: unknown): Report {
  const it = fieldsOf(value, 'the report');
  const exceptions = list(it.exceptions, 'exceptions', MAX_EXCEPTIONS).map(exception);
  const exceptionCount = whole(it.exceptionCount, 'exceptionCount');
  if (exceptionCount < exceptions.length) throw wrong('exceptionCount', 'less than there are exceptions');
  if (exceptionCount > MAX_EXCEPTION_COUNT) throw wrong('exceptionCount', 'too large');
  return {
    version: version(it.version),
    host: name(it.host, 'host'),
    role: role(it.role, 'role'),
    incarnation: whole(it.incarnation, 'incarnation'),
    counter: whole(it.counter, 'counter'),
    realised: placeOrNull(it.realised, 'realised'),
    exceptions,
    exceptionCount,
    ...(it.nextMs === undefined ? {} : { nextMs: whole(it.nextMs, 'nextMs') }),
    configurations: configurations(it.configurations),
    ...(it.roles === undefined ? {} : { roles: replicas(it.roles) }),
  };
}
