/** Every option of the server and of the agent: the tables that flags, environment, file, help and docs come from. */
import { ISOLATION_RULES } from '../agents/l3/isolation.ts';
import { SHORTEST_DETECTION_MS } from '../convergence/liveness.ts';
import { KEYSTONE_OPTIONS } from './keystone-options.ts';
import type { OptionTable, Settled } from './options.ts';

const quota = (limit: number, what: string) =>
  ({
    kind: 'integer',
    ...{ min: -1, max: 2_147_483_647, default: limit },
    help: `${what} a project may have; -1 for any number.`,
  }) as const;

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

const LOG_LEVEL = {
  kind: 'text',
  default: 'info',
  placeholder: LOG_LEVELS.join('|'),
  choices: LOG_LEVELS,
  help: 'How much to log, as JSON lines on standard error.',
} as const;

export const SERVER_OPTIONS = {
  'database-url': {
    kind: 'text',
    default: null,
    placeholder: 'URL',
    help: 'PostgreSQL to use (postgresql://...); without it an embedded one is started in the data directory. DATABASE_URL works too.',
  },
  'data-directory': {
    kind: 'text',
    default: '/var/lib/deuteron/server',
    placeholder: 'DIR',
    help: 'Where the embedded PostgreSQL keeps its data.',
  },
  'socket-directory': {
    kind: 'text',
    default: null,
    placeholder: 'DIR',
    help: 'Where the embedded PostgreSQL puts its Unix socket; by default below the data directory.',
  },
  'api-listen': {
    kind: 'list',
    default: ['127.0.0.1:9696'],
    placeholder: 'HOST:PORT|unix:PATH',
    help: 'Where the Networking API is served.',
  },
  'agent-listen': {
    kind: 'list',
    default: ['127.0.0.1:9697'],
    placeholder: 'HOST:PORT|unix:PATH',
    help: 'Where agents connect.',
  },
  'tls-certificate': {
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'PEM certificate (chain) for API and agents; with tls-key, TCP listeners speak TLS only.',
  },
  'tls-key': { kind: 'text', default: null, placeholder: 'FILE', help: 'PEM key of the certificate.' },
  identity: {
    kind: 'text',
    default: 'none',
    placeholder: 'none|http_basic|keystone',
    help: 'Who callers are: none (everyone is admin; loopback and Unix sockets only), http_basic (htpasswd-style file) or keystone (tokens).',
  },
  'identity-file': {
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'For http_basic: lines user:bcrypt-hash[:project[:roles]]; a line without a project is an admin.',
  },
  ...KEYSTONE_OPTIONS,
  'policy-file': {
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: "Who may do what, where that is not to be as by default: rules by Neutron's names, in oslo.policy's language. See docs/operate/policy.md.",
  },
  'insecure-open-api': {
    kind: 'flag',
    default: false,
    help: 'Let identity none be served on addresses other than loopback.',
  },
  'default-project': {
    kind: 'text',
    default: '00000000000000000000000000000000',
    placeholder: 'ID',
    help: 'Project of callers without identity.',
  },
  'server-id': {
    kind: 'text',
    default: null,
    placeholder: 'NAME',
    help: 'Name of this server among several on one database; by default the host name and process id.',
  },
  'vni-range': {
    kind: 'text',
    default: '1:16777215',
    placeholder: 'LOW:HIGH',
    help: 'VXLAN identifiers for tenant networks.',
  },
  'flat-networks': {
    kind: 'list',
    default: ['*'],
    placeholder: 'NAME',
    help: 'Physical networks that may carry flat networks; * allows any.',
  },
  'vlan-networks': {
    kind: 'list',
    default: ['*'],
    placeholder: 'NAME',
    help: 'Physical networks that may carry VLAN networks; * allows any. Hosts need 802.1Q for them.',
  },
  'underlay-mtu': {
    kind: 'integer',
    min: 1330,
    max: 65_535,
    default: 1500,
    placeholder: 'BYTES',
    help: 'MTU between hosts; a VXLAN network has 50 less.',
  },
  'mac-prefix': {
    kind: 'text',
    default: 'fa:16:3e',
    placeholder: 'XX:XX:XX',
    help: 'First half of generated MAC addresses.',
  },
  'dhcp-agents-per-network': {
    kind: 'integer',
    min: 1,
    max: 100,
    default: 1,
    help: 'DHCP agents that serve each network side by side.',
  },
  'max-l3-agents-per-router': {
    kind: 'integer',
    min: 1,
    max: 100,
    default: 3,
    help: 'Hosts that stand ready for each HA router.',
  },
  'automatic-l3-failover': {
    kind: 'flag',
    default: true,
    help: 'Routers that are not HA go to another host when the agent of theirs is taken for dead; false: only by hand, or with a drain.',
  },
  'l3-ha': { kind: 'flag', default: false, help: 'Routers are HA unless their creator says otherwise.' },
  'reschedule-per-second': {
    kind: 'integer',
    min: 1,
    max: 100_000,
    default: 500,
    placeholder: 'NETWORKS',
    help: 'Networks whose DHCP is given to other agents in a second at most, when agents die or are switched off.',
  },
  'reschedule-in-flight': {
    kind: 'integer',
    min: 1,
    max: 100_000,
    default: 300,
    placeholder: 'NETWORKS',
    help: 'Networks that one DHCP agent may have been given and not serve yet; others wait, or go elsewhere.',
  },
  'rebalance-per-minute': {
    kind: 'integer',
    min: 0,
    max: 60_000,
    default: 6,
    placeholder: 'NETWORKS',
    help: 'Networks that are moved in a minute from the most to the least loaded DHCP agent, without an outage, while loads differ by more than 10 and a quarter; 0 never does.',
  },
  'dns-domain': {
    kind: 'text',
    default: 'openstacklocal.',
    placeholder: 'NAME',
    help: 'Domain of names that DHCP gives out.',
  },
  'quota-network': quota(100, 'Networks'),
  'quota-subnet': quota(100, 'Subnets'),
  'quota-port': quota(500, 'Ports'),
  'quota-router': quota(10, 'Routers'),
  'quota-floatingip': quota(50, 'Floating IPs'),
  'quota-rbac-policy': quota(10, 'RBAC policies'),
  'quota-subnetpool': quota(-1, 'Subnet pools'),
  'quota-trunk': quota(-1, 'Trunks'),
  'quota-security-group': quota(10, 'Security groups'),
  'quota-security-group-rule': quota(100, 'Rules of security groups'),
  'drain-seconds': {
    kind: 'integer',
    min: 0,
    max: 3600,
    default: 5,
    placeholder: 'S',
    help: 'On TERM new connections are refused, requests under way finished, and open connections without a request kept this long: their next request is answered, and ends them.',
  },
  'drain-accept-seconds': {
    kind: 'integer',
    min: 0,
    max: 3600,
    default: 0,
    placeholder: 'S',
    help: 'On TERM new connections are still accepted for this long while /readyz says 503; for balancers that do not try another server when one refuses.',
  },
  'agent-down-seconds': {
    kind: 'integer',
    min: SHORTEST_DETECTION_MS / 1000,
    max: 86_400,
    default: 10,
    placeholder: 'S',
    help: 'An agent that no server has heard for this long is taken for dead: its networks go elsewhere. Heartbeats follow from it.',
  },
  'deadline-multiplier': {
    kind: 'integer',
    min: 1,
    max: 1000,
    default: 1,
    help: 'Times 2 to 30 s, by kind: after that what an agent has not realised is overdue, and remedies begin.',
  },
  'change-log-keep-seconds': {
    kind: 'integer',
    min: 0,
    max: 31_536_000,
    default: 3600,
    placeholder: 'S',
    help: 'Changes younger than this are never trimmed; an agent that was away longer compares groups.',
  },
  'change-log-keep': {
    kind: 'integer',
    min: 0,
    max: 1_000_000_000,
    default: 100_000,
    help: 'Changes that are kept whatever their age.',
  },
  'events-keep-days': {
    kind: 'integer',
    min: 1,
    max: 36_500,
    default: 30,
    placeholder: 'DAYS',
    help: 'Events (remedies, deaths, moves, alerts) older than this are forgotten; alerts not while they are open.',
  },
  'events-keep': {
    kind: 'integer',
    min: 1,
    max: 1_000_000_000,
    default: 100_000,
    help: 'Events that are kept at most, open alerts aside.',
  },
  'alert-webhook': {
    kind: 'text',
    default: null,
    placeholder: 'URL',
    help: 'Where each alert that this server writes, and its end, is posted as JSON. See docs/operate/alerts.md.',
  },
  'fence-devices': {
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: 'Fence devices of hosts: a host that is named there may be switched off, by its fence agent. Without it none is. See docs/operate/fencing.md.',
  },
  'fence-after-seconds': {
    kind: 'integer',
    min: 10,
    max: 3600,
    default: 30,
    placeholder: 'S',
    help: 'For how long a host must be dead, and unreached by its peers, before it is fenced.',
  },
  'fence-window-seconds': {
    kind: 'integer',
    min: 60,
    max: 86_400,
    default: 600,
    placeholder: 'S',
    help: 'One host is fenced in so long, whichever it is and whichever server does it.',
  },
  'fence-check-seconds': {
    kind: 'integer',
    min: 60,
    max: 604_800,
    default: 3600,
    placeholder: 'S',
    help: 'How often each fence device is asked for the power of its host, while that is heard; a tenth sooner or later.',
  },
  'fence-vm-hosts': {
    kind: 'flag',
    default: false,
    help: 'Fence hosts also while ports of machines are bound there: the machines end with them.',
  },
  'log-level': LOG_LEVEL,
} as const satisfies OptionTable;

export const AGENT_OPTIONS = {
  server: {
    kind: 'list',
    default: ['http://127.0.0.1:9697'],
    placeholder: 'URL',
    help: 'Servers to connect to; the agent moves to the next when one does not answer. A name may have several addresses, all are tried.',
  },
  host: {
    kind: 'text',
    default: null,
    placeholder: 'NAME',
    help: "This host's name; by default the machine's.",
  },
  'credential-file': {
    kind: 'text',
    default: '/etc/deuteron/credential',
    placeholder: 'FILE',
    help: 'File with the credential that `deuteron host add` printed.',
  },
  'state-directory': {
    kind: 'text',
    default: '/var/lib/deuteron/agent',
    placeholder: 'DIR',
    help: 'Mirror, dnsmasq files, pid files. Keep it across restarts.',
  },
  roles: { kind: 'list', default: ['l2', 'dhcp'], placeholder: 'l2|dhcp|l3', help: 'What this host does.' },
  'tunnel-ip': {
    kind: 'text',
    default: null,
    placeholder: 'IP',
    help: 'Address of this host on the tunnel network (VXLAN endpoint).',
  },
  'management-ip': {
    kind: 'text',
    default: null,
    placeholder: 'IP',
    help: 'Address of this host on the management network, by which replicas of HA routers also hear one another (UDP port 14789). Without it one cut of the tunnel network makes each take itself for the only one.',
  },
  'bridge-mappings': {
    kind: 'list',
    default: [],
    placeholder: 'PHYSNET:LINK',
    help: 'Links that carry physical networks, for flat networks.',
  },
  'availability-zone': {
    kind: 'text',
    default: 'nova',
    placeholder: 'NAME',
    help: 'Shown for this host’s agents.',
  },
  'ca-file': {
    kind: 'text',
    default: null,
    placeholder: 'FILE',
    help: "PEM certificates that the servers' are verified with.",
  },
  'dhcp-lease-seconds': {
    kind: 'integer',
    min: 120,
    max: 4_294_967_294,
    default: 86_400,
    placeholder: 'S',
    help: 'Lease time that DHCP gives.',
  },
  'dhcp-forget-seconds': {
    kind: 'integer',
    min: 1,
    max: 3600,
    default: 30,
    placeholder: 'S',
    help: 'Removed ports stay in the memory of dnsmasq for this long at most, so that many of them are one reload. Whoever gets the address or MAC of one does not wait.',
  },
  'report-interval-seconds': {
    kind: 'integer',
    min: 1,
    max: 3600,
    default: 5,
    placeholder: 'S',
    help: 'Reports go at once after a change. Without one they are repeated this often at first, ever more seldom down to a twelfth of that.',
  },
  'audit-seconds': {
    kind: 'integer',
    min: 1,
    max: 86_400,
    default: 30,
    placeholder: 'S',
    help: 'First period of the comparison of host and mirror; it doubles to eight times this while nothing drifts.',
  },
  'check-scripts': {
    kind: 'list',
    default: [],
    placeholder: '"NAME PATH [SETTING=N...]"',
    help: 'Scripts that say whether this host can serve an HA router; with settings interval, timeout (seconds), fall, rise, weight, sha256. See docs/operate/check-scripts.md.',
  },
  'check-user': {
    kind: 'text',
    default: 'nobody',
    placeholder: 'USER',
    help: 'Who check scripts are run as; never root. Best one that does nothing else.',
  },
  'check-hold-seconds': {
    kind: 'integer',
    min: 1,
    max: 3600,
    default: 60,
    placeholder: 'S',
    help: 'How long a check must say yes again before that counts; it doubles with each relapse, up to an hour.',
  },
  'link-hold-seconds': {
    kind: 'integer',
    min: 1,
    max: 300,
    default: 5,
    placeholder: 'S',
    help: "How long this host's links and paths must be well again before that counts for its HA routers; it doubles with each relapse, up to 5 minutes.",
  },
  isolation: {
    kind: 'text',
    default: 'evidence',
    placeholder: ISOLATION_RULES.join('|'),
    choices: ISOLATION_RULES,
    help: 'When this host, which nobody answers any more, leaves its HA routers to others: once another answers for the router on the external network; strict: also without, which needs witnesses; off: never, and no router that is not HA waits for whoever answers for it.',
  },
  witnesses: {
    kind: 'list',
    default: [],
    placeholder: 'IP',
    help: 'Addresses that answer pings as long as this host is in touch with anything, e.g. of switches. The servers and other hosts are asked too.',
  },
  'log-level': LOG_LEVEL,
} as const satisfies OptionTable;

export type ServerConfig = Settled<typeof SERVER_OPTIONS>;
export type AgentConfig = Settled<typeof AGENT_OPTIONS>;

/** A TCP address or a Unix socket to listen on. */
export type ListenAddress =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** `127.0.0.1:9696`, `[::1]:9696`, `unix:/run/x.sock`; undefined for anything else. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  if (text.startsWith('unix:') && text.length > 5) return { kind: 'unix', path: text.slice(5) };
  const match = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) return undefined;
  return { kind: 'tcp', host: (match[1] ?? match[2]) as string, port };
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: ListenAddress): boolean {
  return (
    address.kind === 'unix' ||
    address.host === '::1' ||
    address.host === 'localhost' ||
    /^127\./.test(address.host)
  );
}
