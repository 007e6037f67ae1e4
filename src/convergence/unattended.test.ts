import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type AttendanceFacts, type AskedPort, unattended } from './unattended.ts';

const port = (id: string, over: Partial<AskedPort> = {}): AskedPort => ({
  ...{ id, network_id: 'n', device_id: '', device_owner: 'compute:nova', host: 'h1', vif_type: 'bridge' },
  ...{ fixed_ips: [] },
  ...over,
});
const AT = '2026-01-31T12:00:00Z';
const FACTS: AttendanceFacts = {
  roles: ['l2', 'dhcp', 'l3'],
  agents: (['l2', 'dhcp', 'l3'] as const).map((role) => ({
    ...{ id: `h1-${role}`, host: 'h1', role, heartbeat_at: AT },
  })),
  isHeard: () => true,
  dhcpSubnets: [{ id: 's', network_id: 'n' }],
  dhcpBindings: [{ network_id: 'n', agent_id: 'h1-dhcp' }],
  routers: new Set(['r']),
  routerBindings: [{ router_id: 'r', agent_id: 'h1-l3' }],
};
const told = (ports: AskedPort[], facts: Partial<AttendanceFacts> = {}) =>
  unattended({ ports, subnets: new Set(), networks: new Set() }, { ...FACTS, ...facts }).map(
    ({ resource, role, sinceAt }) => `${resource} ${role} ${sinceAt}`,
  );

test("a router's ports are there as long as any of its replicas is", () => {
  const ports = [
    port('in', { device_owner: 'network:router_interface', device_id: 'r', host: 'gone' }),
    port('ha', { device_owner: 'network:router_ha_interface', device_id: 'r', host: 'gone' }),
  ];
  assert.deepEqual(told(ports), []);
  assert.deepEqual(told(ports, { isHeard: (id) => id !== 'h1-l3' }), [`port/in l3 ${AT}`]);
  assert.deepEqual(told(ports, { routerBindings: [] }), ['port/in l3 null']);
  assert.deepEqual(told(ports, { routerBindings: [], routers: new Set() }), []);
});

test("DHCP's own ports, and ports that nobody asked to be anywhere, are missed by nobody", () => {
  const ports = [port('dhcp', { device_owner: 'network:dhcp', host: 'gone' }), port('free', { host: '' })];
  assert.deepEqual(told(ports), []);
});

test('it is told since when the last of those who had it has not been heard', () => {
  const client = port('p', { fixed_ips: [{ subnet_id: 's', ip_address: '10.0.0.9' }] });
  assert.deepEqual(told([client], { isHeard: () => false }), [`port/p dhcp ${AT}`, `port/p l2 ${AT}`]);
  assert.deepEqual(told([client], { agents: [], dhcpBindings: [], isHeard: () => false }), [
    'port/p dhcp null',
    'port/p l2 null',
  ]);
  assert.deepEqual(told([client], { roles: ['dhcp'], isHeard: () => false }), [`port/p dhcp ${AT}`]);
});
