/** The agent process: one a host, with the roles that it is given. */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import { createDhcpAgent } from '../agents/dhcp/reconciler.ts';
import { createL2Agent } from '../agents/l2/reconciler.ts';
import { parseChecks } from '../agents/l3/check-script.ts';
import type { HealthSource } from '../agents/l3/health.ts';
import { createHealth, type HealthOptions } from '../agents/l3/health-watch.ts';
import type { IsolationRule } from '../agents/l3/isolation.ts';
import { createL3Agent } from '../agents/l3/reconciler.ts';
import { withRouterQos } from '../agents/l3/router-qos.ts';
import type { RoleAgent } from '../agents/role.ts';
import { AgentRunner } from '../agents/runner.ts';
import type { Host } from '../host/host.ts';
import { createLinuxHost } from '../host/linux/linux-host.ts';
import { canonicalAddress } from '../ipam/address.ts';
import { realClock } from '../lib/clock.ts';
import { realRandom } from '../lib/random.ts';
import { HttpTransport } from '../watch/client.ts';
import { Journal, type JournalStorage } from '../watch/journal.ts';
import type { Mirror } from '../watch/mirror.ts';
import type { AgentConfig } from './config.ts';
import type { Log } from './logging.ts';
import { ConfigurationError } from './options.ts';

const JOURNAL = 'mirror.journal';
const INCARNATION = 'incarnation';
const CONCURRENCY = 4;
const KEY_TIMEOUT_MS = 60_000;

function journalStorage(host: Host): JournalStorage {
  return {
    read: () => host.readFile(JOURNAL),
    append: (text) => host.appendDurably(JOURNAL, text),
    replace: (text) => host.writeFile(JOURNAL, text),
  };
}

/** The number of this life: above the last one's, and above any that a lost state directory had, by the clock. */
async function nextIncarnation(host: Host): Promise<number> {
  const last = Number((await host.readFile(INCARNATION)) ?? '0');
  return Math.max(Number.isSafeInteger(last) ? last + 1 : 1, realClock.wall().getTime());
}

/** `physnet1:eth1` to a map; throws ConfigurationError. */
export function parseBridgeMappings(mappings: readonly string[]): Map<string, string> {
  return new Map(
    mappings.map((mapping) => {
      const match = /^([^:\s]{1,64}):([a-zA-Z0-9_.-]{1,15})$/.exec(mapping);
      if (!match) throw new ConfigurationError(`--bridge-mappings: "${mapping}" is not PHYSNET:LINK`);
      return [match[1] as string, match[2] as string];
    }),
  );
}

/** As the kernel writes it; '' for none. Throws ConfigurationError. */
export function managementIpOf(config: Pick<AgentConfig, 'management-ip'>): string {
  const text = config['management-ip'] ?? '';
  const address = text === '' ? '' : canonicalAddress(text);
  if (address === undefined) throw new ConfigurationError(`--management-ip: "${text}" is not an IP address`);
  return address;
}

function readCredential(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new ConfigurationError(`--credential-file: ${(error as Error).message}`);
  }
  if (text === '' || /\s/.test(text))
    throw new ConfigurationError(`--credential-file: ${path} holds no credential`);
  return text;
}

/** In a user namespace of an ordinary user (a lab without root) there is no other user to become: user_namespaces(7). */
export function mayChangeUser(): boolean {
  return readFileSync('/proc/self/setgroups', 'utf8').trim() !== 'deny';
}

interface RoleParts {
  readonly host: Host;
  readonly mirror: Mirror;
  readonly mappings: Map<string, string>;
  readonly log: Log;
}

/** Servers whose addresses are written out are witnesses too. Throws ConfigurationError. */
function isolationOf(config: AgentConfig): Required<Pick<HealthOptions, 'isolation' | 'witnesses'>> {
  const { isolation, witnesses, server } = config;
  const wrong = witnesses.find((address) => isIP(address) === 0);
  if (wrong !== undefined) throw new ConfigurationError(`--witnesses: "${wrong}" is not an IP address`);
  if (isolation === 'strict' && witnesses.length === 0)
    throw new ConfigurationError('--isolation: strict needs --witnesses');
  const servers = server.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ''));
  const asked = [...witnesses, ...servers.filter((name) => isIP(name) !== 0)];
  return { isolation: isolation as IsolationRule, witnesses: [...new Set(asked)] };
}

/** How it is asked who serves a router that is not HA. */
function takeoverOf({ isolation }: AgentConfig, { mappings, log }: RoleParts) {
  const onFailure = (error: unknown) => log.warn({ err: error }, 'cannot ask who serves a router');
  return { onFailure, ...(isolation === 'off' ? {} : { asksBy: mappings }) };
}

/** What bears on the health of HA routers' replicas. Throws ConfigurationError. */
function healthOf(config: AgentConfig, { host, mirror, mappings, log }: RoleParts): HealthSource {
  const settled = () => {
    try {
      return parseChecks(config['check-scripts']);
    } catch (error) {
      throw new ConfigurationError(`--check-scripts: ${(error as Error).message}`);
    }
  };
  if (['root', '0'].includes(config['check-user']))
    throw new ConfigurationError('--check-user: check scripts are not run as root');
  return createHealth({
    ...{
      host,
      world: mirror,
      clock: realClock,
      tunnelIp: config['tunnel-ip'] ?? '',
      externalLinks: mappings,
    },
    managementIp: managementIpOf(config),
    checks: settled(),
    checkUser: mayChangeUser() ? config['check-user'] : '',
    linkHoldMs: config['link-hold-seconds'] * 1000,
    checkHoldMs: config['check-hold-seconds'] * 1000,
    ...isolationOf(config),
    onFailure: (error) => log.error({ err: error }, 'cannot follow the health of routers'),
  });
}

function createRoles(config: AgentConfig, parts: RoleParts): RoleAgent[] {
  const { host, mirror, mappings } = parts;
  const shared = { host, world: mirror, hostName: mirror.host, clock: realClock, random: realRandom };
  return config.roles.map((role) => {
    if (role === 'l2')
      return createL2Agent({
        ...{ ...shared, tunnelIp: config['tunnel-ip'] ?? '', bridgeMappings: mappings },
        managementIp: managementIpOf(config),
      });
    const user = mayChangeUser() ? {} : { user: '' };
    if (role === 'dhcp')
      return createDhcpAgent({
        ...{ ...shared, ...user, leaseSeconds: config['dhcp-lease-seconds'] },
        coalesceMs: config['dhcp-forget-seconds'] * 1000,
      });
    if (role === 'l3')
      return withRouterQos(
        createL3Agent({
          ...shared,
          ...user,
          health: healthOf(config, parts),
          ...takeoverOf(config, parts),
        }),
        shared,
      );
    throw new ConfigurationError(`--roles: "${role}" is not a role (l2, dhcp, l3)`);
  });
}

/** Runs until `signal` aborts. Everything on the host stays as it is. Throws ConfigurationError before anything is begun. */
export async function runAgent(config: AgentConfig, log: Log, signal: AbortSignal): Promise<void> {
  const credential = readCredential(config['credential-file']);
  const mappings = parseBridgeMappings(config['bridge-mappings']);
  const ca = config['ca-file'] === null ? {} : { ca: readFileSync(config['ca-file'], 'utf8') };
  const host = createLinuxHost({ stateDirectory: config['state-directory'], clock: realClock });
  const journal = await Journal.open(journalStorage(host), config.host ?? hostname());
  const roles = createRoles(config, { host, mirror: journal.mirror, mappings, log });
  const transport = new HttpTransport({
    ...{ servers: config.server, credential, clock: realClock, random: realRandom },
    ...ca,
  });
  // A full disk must not keep what serves without care: where the number is lost the next life is told of it.
  const keep = (incarnation: number) =>
    host
      .writeFile(INCARNATION, `${incarnation}\n`)
      .catch((error) => log.error({ err: error }, 'cannot keep the number of this life'));
  const incarnation = await nextIncarnation(host);
  await keep(incarnation);
  const runner = new AgentRunner({
    ...{ host, transport, journal, roles, clock: realClock, random: realRandom },
    incarnation,
    onIncarnation: (later) => void keep(later),
    tunnelIp: config['tunnel-ip'] ?? '',
    physicalNetworks: [...mappings.keys()],
    configurations: { availability_zone: config['availability-zone'], management_ip: managementIpOf(config) },
    concurrency: CONCURRENCY,
    keyTimeoutMs: KEY_TIMEOUT_MS,
    reportIntervalMs: config['report-interval-seconds'] * 1000,
    auditMs: config['audit-seconds'] * 1000,
    onStall: (role, key) => {
      log.error({ role, key }, 'no progress on this key: ending, to be started again');
      process.exit(1);
    },
    onFailure: (what, error) => log.error({ what, err: error }, 'failed'),
    onRemedy: ({ id, role, keys, how }) => log.warn({ id, role, keys, how }, 'the server asks for a remedy'),
    onAudit: ({ durationMs, drifted, nextMs }) =>
      log.info({ duration_ms: Math.round(durationMs), drifted, next_s: Math.round(nextMs / 1000) }, 'audit'),
    onState: (state) => log.info({ session: state }, `watch: ${state.name}`),
  });
  log.info({ host: journal.mirror.host, place: journal.mirror.place, roles: config.roles }, 'agent started');
  await runner.run(signal);
  transport.close();
}
