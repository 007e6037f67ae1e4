/** What a rule of a security group may say, and when two say the same: as in Neutron, with its words. */
import { networkOf } from '../resources/address-values.ts';
import { Fault } from '../resources/errors.ts';
import {
  ICMP,
  ICMPV6,
  IPV6_PROTOCOLS,
  protocolNumber,
  PROTOCOLS_WITH_PORTS,
} from '../resources/ip-protocols.ts';
import type { SecurityGroupRuleRow } from '../resources/security-group-rule.ts';
import { display } from '../resources/values.ts';

/** What a rule lets through, without what every row has. */
export type RuleMatch = Pick<
  SecurityGroupRuleRow,
  | 'direction'
  | 'ethertype'
  | 'protocol'
  | 'port_range_min'
  | 'port_range_max'
  | 'remote_ip_prefix'
  | 'remote_group_id'
  | 'remote_address_group_id'
>;

/** ICMP in IPv6 is ICMPv6, by its newer name or by its number. */
function icmpOfIts({ ethertype, protocol }: RuleMatch): string | null {
  if (ethertype !== 'IPv6') return protocol;
  if (protocol === 'icmp' || protocol === 'icmpv6') return 'ipv6-icmp';
  return protocol === `${ICMP}` ? `${ICMPV6}` : protocol;
}

function checkIcmp({ port_range_min: type, port_range_max: code }: RuleMatch): void {
  for (const [value, words] of [
    [type, 'type (port_range_min)'],
    [code, 'code (port_range_max)'],
  ] as const) {
    if (value === null || value <= 255) continue;
    const message = `Invalid value for ICMP ${words} ${value}. It must be 0 to 255.`;
    throw new Fault('SecurityGroupInvalidIcmpValue', message);
  }
  if (type !== null || code === null) return;
  throw new Fault(
    'SecurityGroupMissingIcmpType',
    `ICMP code (port-range-max) ${code} is provided but ICMP type (port-range-min) is missing.`,
  );
}

function checkPorts({ port_range_min: min, port_range_max: max }: RuleMatch): void {
  if (min === 0 || max === 0) throw new Fault('SecurityGroupInvalidPortValue', 'Invalid value for port 0.');
  if (min !== null && max !== null && min <= max) return;
  throw new Fault(
    'SecurityGroupInvalidPortRange',
    'For TCP/UDP protocols, port_range_min must be <= port_range_max',
  );
}

function checkRange(rule: RuleMatch): void {
  if (rule.port_range_min === null && rule.port_range_max === null) return;
  if (rule.protocol === null)
    throw new Fault(
      'SecurityGroupProtocolRequiredWithPorts',
      'Must also specify protocol if port range is given.',
    );
  const number = protocolNumber(rule.protocol);
  if (number === ICMP || number === ICMPV6) {
    checkIcmp(rule);
    return;
  }
  if (PROTOCOLS_WITH_PORTS.some((name) => protocolNumber(name) === number)) {
    checkPorts(rule);
    return;
  }
  const names = PROTOCOLS_WITH_PORTS.join(', ').toUpperCase();
  throw new Fault(
    'SecurityGroupInvalidProtocolForPort',
    `Ports cannot be specified for protocol ${number}. Ports are only supported for ${names}.`,
  );
}

function checkVersion({ ethertype, protocol, remote_ip_prefix: prefix }: RuleMatch): void {
  if (prefix !== null && prefix.includes(':') !== (ethertype === 'IPv6'))
    throw new Fault(
      'SecurityGroupRuleParameterConflict',
      `Conflicting value ethertype ${ethertype} for CIDR ${prefix}`,
    );
  if (ethertype === 'IPv4' && protocol !== null && IPV6_PROTOCOLS.has(protocolNumber(protocol)))
    throw new Fault(
      'SecurityGroupEthertypeConflictWithProtocol',
      `Invalid ethertype ${ethertype} for protocol ${display(protocol)}.`,
    );
}

function checkRemotes(rule: RuleMatch): void {
  const given = [rule.remote_ip_prefix, rule.remote_group_id, rule.remote_address_group_id];
  if (given.filter((one) => one !== null).length <= 1) return;
  throw new Fault(
    'SecurityGroupMultipleRemoteEntites',
    'Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.',
  );
}

/** The rule as it is stored: all ports are no range, ICMP is that of its IP version. Throws a Fault for what cannot be. */
export function completeRule<Rule extends RuleMatch>(asked: Rule): Rule {
  const isAll = asked.port_range_min === 1 && asked.port_range_max === 65_535;
  const rule = {
    ...asked,
    protocol: icmpOfIts(asked),
    ...(isAll ? { port_range_min: null, port_range_max: null } : {}),
  };
  checkRange(rule);
  checkVersion(rule);
  checkRemotes(rule);
  return rule;
}

/** The same text for rules that let the same through: a protocol's name is its number, every address is no prefix. */
export function ruleKey(rule: RuleMatch): string {
  const prefix = rule.remote_ip_prefix;
  return JSON.stringify([
    ...[rule.direction, rule.ethertype, rule.port_range_min, rule.port_range_max],
    rule.protocol === null ? null : protocolNumber(rule.protocol),
    ...[rule.remote_group_id, rule.remote_address_group_id],
    prefix === '0.0.0.0/0' || prefix === '::/0' ? null : prefix,
  ]);
}

/** The prefix of a rule without bits after its length. */
export const normalizedCidr = ({ remote_ip_prefix: prefix }: RuleMatch): string | null =>
  prefix === null ? null : networkOf(prefix);
