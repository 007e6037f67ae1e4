/** How hosts are called inside the tunnels, where they ask one another whether tunnels carry. In view of roles l2 and l3. */
import { createHash } from 'node:crypto';

/** Of a ULA prefix (RFC 4193) that is only ever routed to one link of the host. */
const PREFIX = 'fd64:6575:7465:726f';

const digitsOf = (tunnelIp: string): string =>
  createHash('sha256').update(tunnelIp).digest('hex').slice(0, 16);

/** Follows from the address of the tunnels' end, so that nobody has to be told; never the same for two, but by 2^-64. */
export function healthAddress(tunnelIp: string): string {
  return `${PREFIX}:${digitsOf(tunnelIp).match(/..../g)?.join(':')}`;
}

/** The same for the link's MAC address (locally administered): neighbours know it also after a restart. */
export function healthMac(tunnelIp: string): string {
  return `0a:${digitsOf(tunnelIp).slice(0, 10).match(/../g)?.join(':')}`;
}
