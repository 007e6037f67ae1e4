/**
 * What QoS rules of ports come to on their host. Pure. What a machine gets waits in a queue of its link (tc-tbf(8)): a
 * sender is slowed down, not punished. What it sends cannot be queued where it comes in: what is too much is dropped, by
 * nftables in the bridge, where it is also marked. Limits of packets are dropped by, both ways.
 */
import { hostGroup, type PortBody, splitKey, tapName } from '../../resources/agent-view.ts';
import type { QosLimit } from '../../resources/qos-body.ts';
import type { Shaper } from '../../host/host.ts';
import {
  bytesOf,
  chain,
  dispatch,
  marked,
  policeBytes,
  policePackets,
  type QosRuleset,
  whole,
  without,
} from '../police.ts';
import type { World } from '../role.ts';

export const QOS_TABLE = 'bridge deuteron_qos';

export const NO_QOS = without(QOS_TABLE);

/** A port with rules. */
export interface QosPort {
  readonly id: string;
  readonly network_id: string;
  readonly link: string;
  readonly qos: NonNullable<PortBody['qos']>;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Those that are bound to this host, in the order of their links. */
export function qosPorts(world: World): QosPort[] {
  const found: QosPort[] = [];
  for (const [key, body] of world.group(hostGroup(world.host)) ?? []) {
    if (splitKey(key).kind !== 'port') continue;
    const { id, network_id, qos } = body as PortBody;
    if (qos && UUID.test(id)) found.push({ id, network_id, link: tapName(id), qos });
  }
  return found.sort((a, b) => (a.link < b.link ? -1 : 1));
}

const SHORTEST_QUEUE_BYTES = 20_000;
const LONGEST_BURST_SECONDS = 60;
/** The kernel looks at the queue at least so many times a second. */
const TICKS = 250;

/** null: what the machine gets is not limited. */
export function shaperOf(limit: QosLimit | undefined): Shaper | null {
  const bytes = bytesOf(limit);
  if (bytes === null) return null;
  const least = Math.max(SHORTEST_QUEUE_BYTES, Math.ceil(bytes.rate / TICKS));
  const most = Math.min(Math.max(bytes.rate * LONGEST_BURST_SECONDS, least), 2 ** 31 - 1);
  return { bytesPerSecond: bytes.rate, burstBytes: Math.min(Math.max(bytes.burst, least), most) };
}

function rulesFor({ egress, ingress, dscp_mark }: QosPort['qos']): { sent: string[]; got: string[] } {
  const mark = whole(dscp_mark, 63);
  const marks = dscp_mark === undefined ? [] : [`ip dscp set ${mark}`, `ip6 dscp set ${mark}`];
  return {
    sent: [...policeBytes(egress), ...policePackets(egress), ...marks],
    got: policePackets(ingress),
  };
}

/** nftables text that replaces the table as a whole; null: there is nothing to do for it. */
export function qosRuleset(ports: readonly QosPort[]): QosRuleset | null {
  const chains: string[] = [];
  const sent: [string, string][] = [];
  const got: [string, string][] = [];
  for (const { link, qos } of ports) {
    const rules = rulesFor(qos);
    for (const [kind, lines, jumps] of [
      ['sent', rules.sent, sent],
      ['got', rules.got, got],
    ] as const) {
      if (lines.length === 0) continue;
      const name = `${kind}_${link.replaceAll('-', '_')}`;
      chains.push(chain(name, lines));
      jumps.push([`"${link}"`, name]);
    }
  }
  if (chains.length === 0) return null;
  const body =
    chains.join('') +
    chain('from_machines', [
      'type filter hook prerouting priority dstnat + 10; policy accept;',
      ...dispatch('iifname', sent),
    ]) +
    chain('to_machines', [
      'type filter hook postrouting priority srcnat - 10; policy accept;',
      ...dispatch('oifname', got),
    ]);
  return marked(QOS_TABLE, body);
}
