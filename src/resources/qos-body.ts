/** What hosts hear of QoS policies: what the rules that hold for something come to, of those that hosts carry out. */
import type { QosRuleRow } from './qos-rule.ts';

/** kbps: 1,000 bits a second; kpps: 1,000 packets a second. Absent: no limit. */
export interface QosLimit {
  readonly max_kbps?: number;
  /** In 1,000 bits; 0 for the host's choice. */
  readonly max_burst_kbps?: number;
  readonly max_kpps?: number;
  /** In 1,000 packets; 0 for the host's choice. */
  readonly max_burst_kpps?: number;
}

/** Seen from the machine: what it sends is egress. */
export interface QosBody {
  readonly egress?: QosLimit;
  readonly ingress?: QosLimit;
  readonly dscp_mark?: number;
}

/** A limit of 0 is none, as Neutron's drivers have it. */
function limitOf(rules: readonly QosRuleRow[], way: 'egress' | 'ingress'): QosLimit | undefined {
  let limit: QosLimit | undefined;
  for (const { direction, parameters } of rules) {
    const { max_kbps = 0, max_burst_kbps = 0, max_kpps = 0, max_burst_kpps = 0 } = parameters;
    if (direction !== way) continue;
    if (max_kbps > 0) limit = { ...limit, max_kbps, max_burst_kbps };
    if (max_kpps > 0) limit = { ...limit, max_kpps, max_burst_kpps };
  }
  return limit;
}

/** undefined: there is nothing to do. Equal rules, in whatever order, give equal bodies. */
export function qosBody(rules: readonly QosRuleRow[]): QosBody | undefined {
  const sorted = [...rules].sort((a, b) => (a.type < b.type ? -1 : 1));
  const [egress, ingress] = [limitOf(sorted, 'egress'), limitOf(sorted, 'ingress')];
  const dscp_mark = sorted.find((rule) => rule.type === 'dscp_marking')?.parameters.dscp_mark;
  const body = {
    ...(egress ? { egress } : {}),
    ...(ingress ? { ingress } : {}),
    ...(dscp_mark === undefined ? {} : { dscp_mark }),
  };
  return Object.keys(body).length === 0 ? undefined : body;
}
