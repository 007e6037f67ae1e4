import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fault } from '../resources/errors.ts';
import { completeRule, ruleKey, type RuleMatch } from './rule-checks.ts';

const rule = (changes: Partial<RuleMatch>): RuleMatch => ({
  ...{ direction: 'ingress', ethertype: 'IPv4', protocol: null },
  ...{ port_range_min: null, port_range_max: null },
  ...{ remote_ip_prefix: null, remote_group_id: null, remote_address_group_id: null },
  ...changes,
});

const ports = (protocol: string | null, min: number | null, max: number | null): RuleMatch =>
  rule({ protocol, port_range_min: min, port_range_max: max });

const refusal = (asked: RuleMatch): string => {
  try {
    completeRule(asked);
  } catch (error) {
    assert.ok(error instanceof Fault);
    return error.type;
  }
  return 'none';
};

test('ranges of ports', () => {
  for (const protocol of ['tcp', 'udp', 'sctp', 'dccp', 'udplite', '6', '136'])
    assert.equal(refusal(ports(protocol, 80, 80)), 'none', protocol);
  for (const [min, max] of [
    [80, 79],
    [null, 6],
    [6, null],
  ] as const)
    assert.equal(refusal(ports('tcp', min, max)), 'SecurityGroupInvalidPortRange');
  assert.equal(refusal(ports('udp', 0, 5)), 'SecurityGroupInvalidPortValue');
  assert.equal(refusal(ports(null, 1, 5)), 'SecurityGroupProtocolRequiredWithPorts');
  assert.equal(refusal(ports('gre', 1, 5)), 'SecurityGroupInvalidProtocolForPort');
});

test('all ports are no range', () => {
  const { port_range_min, port_range_max } = completeRule(ports('tcp', 1, 65_535));
  assert.deepEqual([port_range_min, port_range_max], [null, null]);
  assert.equal(refusal(ports(null, 1, 65_535)), 'none');
});

test('types and codes of ICMP', () => {
  for (const [type, code] of [
    [3, 2],
    [0, 0],
    [11, null],
    [255, 255],
    [null, null],
  ] as const)
    assert.equal(refusal(ports('icmp', type, code)), 'none');
  assert.equal(refusal(ports('1', 300, 1)), 'SecurityGroupInvalidIcmpValue');
  assert.equal(refusal(ports('icmp', 1, 256)), 'SecurityGroupInvalidIcmpValue');
  assert.equal(refusal(ports('icmp', null, 6)), 'SecurityGroupMissingIcmpType');
});

test('the same in other words has the same key, and nothing else has', () => {
  const same = [rule({ protocol: 'tcp' }), rule({ protocol: '6', remote_ip_prefix: '0.0.0.0/0' })];
  assert.equal(new Set(same.map(ruleKey)).size, 1);
  const different = [
    ...[rule({}), rule({ direction: 'egress' }), rule({ ethertype: 'IPv6' }), ports('tcp', 5, 9)],
    ...[ports('tcp', 5, 10), ports('tcp', 4, 9), rule({ remote_group_id: 'a' })],
    ...[
      rule({ remote_address_group_id: 'a' }),
      rule({ remote_ip_prefix: '10.0.0.0/8' }),
      rule({ protocol: 'udp' }),
    ],
  ];
  assert.equal(new Set(different.map(ruleKey)).size, different.length);
});
