/** How hosts are called inside VXLAN, where they ask one another whether it carries. In view of roles l2 and l3. */
import { createHash } from 'node:crypto';

/** The networks that VXLAN goes over between hosts with HA routers. */
export type HealthWay = 'tunnel' | 'management';

/** ULA prefixes (RFC 4193), each of which is only ever routed to one link of the host. */
const PREFIXES: Readonly<Record<HealthWay, string>> = {
  tunnel: 'fd64:6575:7465:726f',
  management: 'fd64:6575:7465:7270',
};

const digitsOf = (address: string): string => createHash('sha256').update(address).digest('hex').slice(0, 16);

/** Follows from the host's address on that network, so that nobody has to be told; never the same for two, but by 2^-64. */
export function healthAddress(address: string, way: HealthWay = 'tunnel'): string {
  return `${PREFIXES[way]}:${digitsOf(address).match(/..../g)?.join(':')}`;
}

/** The same for the link's MAC address (locally administered): neighbours know it also after a restart. */
export function healthMac(address: string): string {
  return `0a:${digitsOf(address).slice(0, 10).match(/../g)?.join(':')}`;
}
