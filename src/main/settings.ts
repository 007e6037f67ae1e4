import type { RescheduleLimits } from '../background/reschedule.ts';
import { deadlinesTimes } from '../convergence/deadlines.ts';
import type { Settings } from '../operations/operation.ts';
import type { ServerConfig } from './config.ts';
import { ConfigurationError } from './options.ts';

const MAX_VNI = 2 ** 24 - 1;
const MAX_DNS_NAMESERVERS = 5;
const MAX_HOST_ROUTES = 20;
const MAX_FIXED_IPS = 5;

function vniRange(text: string): [number, number] {
  const match = /^(\d{1,8}):(\d{1,8})$/.exec(text);
  const [low, high] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || low < 1 || high > MAX_VNI || low > high) {
    throw new ConfigurationError(`--vni-range: "${text}" is not LOW:HIGH within 1:${MAX_VNI}`);
  }
  return [low, high];
}

/** Every option `quota-x`, by x. */
function quotasIn(config: ServerConfig): Record<string, number> {
  const limits = Object.entries(config).filter(([name]) => name.startsWith('quota-'));
  return Object.fromEntries(
    limits.map(([name, limit]) => [name.slice('quota-'.length).replaceAll('-', '_'), limit as number]),
  );
}

/** What operations decide by, from the configuration. Throws ConfigurationError. */
export function settingsFrom(config: ServerConfig): Settings {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){2}$/i.test(config['mac-prefix'])) {
    throw new ConfigurationError(`--mac-prefix: "${config['mac-prefix']}" is not XX:XX:XX`);
  }
  return {
    vniRange: vniRange(config['vni-range']),
    flatNetworks: config['flat-networks'],
    vlanNetworks: config['vlan-networks'],
    underlayMtu: config['underlay-mtu'],
    macPrefix: config['mac-prefix'].toLowerCase(),
    dhcpAgentsPerNetwork: config['dhcp-agents-per-network'],
    dnsDomain: config['dns-domain'],
    maxL3AgentsPerRouter: config['max-l3-agents-per-router'],
    l3Ha: config['l3-ha'],
    automaticL3Failover: config['automatic-l3-failover'],
    quotas: quotasIn(config),
    maxDnsNameservers: MAX_DNS_NAMESERVERS,
    maxHostRoutes: MAX_HOST_ROUTES,
    maxFixedIpsPerPort: MAX_FIXED_IPS,
    agentDownTimeMs: config['agent-down-seconds'] * 1000,
    deadlines: deadlinesTimes(config['deadline-multiplier']),
  };
}

/** How fast DHCP is moved between agents, from the configuration. */
export function rescheduleLimits(config: ServerConfig): RescheduleLimits {
  return {
    perSecond: config['reschedule-per-second'],
    inFlight: config['reschedule-in-flight'],
    evenPerMinute: config['rebalance-per-minute'],
  };
}
