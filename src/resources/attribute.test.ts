import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readCreate, readUpdate, schemaOf, type AttributeMap } from './attribute.ts';
import { agentMap } from './agent.ts';
import { Fault } from './errors.ts';
import { networkMap } from './network.ts';
import { portMap } from './port.ts';
import { subnetMap } from './subnet.ts';

const message = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof Fault);
    return error.message;
  }
  throw new assert.AssertionError({ message: 'nothing was refused' });
};
const NETWORK = '3b1fcb9e-0000-4000-8000-000000000001';

test('a create gets defaults, under column names, and what has none stays absent', () => {
  const { values, given } = readCreate(portMap, { network_id: NETWORK, 'binding:host_id': 'h1' }, 'red');
  assert.equal(values['host'], 'h1');
  assert.equal(values['project_id'], 'red');
  assert.equal(values['device_owner'], '');
  assert.ok(!('mac_address' in values) && !('fixed_ips' in values) && !('binding:host_id' in values));
  assert.deepEqual(
    [...given.keys()].map((attribute) => attribute.name),
    ['network_id', 'binding:host_id'],
  );
});

test('defaults are not shared between requests', () => {
  const first = readCreate(portMap, { network_id: NETWORK }, 'red').values;
  const second = readCreate(portMap, { network_id: NETWORK }, 'red').values;
  (first['profile'] as Record<string, unknown>)['a'] = 1;
  assert.deepEqual(second['profile'], {});
});

test('an update holds only what it names', () => {
  assert.deepEqual(readUpdate(subnetMap, { gateway_ip: null, enable_dhcp: 'no' }).values, {
    gateway_ip: null,
    enable_dhcp: false,
  });
  assert.deepEqual(readUpdate(networkMap, {}).values, {});
});

test('both names of the project, if they agree', () => {
  assert.equal(readCreate(networkMap, { tenant_id: 'a' }, 'b').values['project_id'], 'a');
  assert.equal(readCreate(networkMap, { tenant_id: 'a', project_id: 'a' }, 'b').values['project_id'], 'a');
  assert.equal(
    message(() => readCreate(networkMap, { tenant_id: 'a', project_id: 'b' }, 'b')),
    "'project_id' and 'tenant_id' do not match",
  );
});

test('refusals are in Neutron’s words', () => {
  assert.equal(
    message(() => readCreate(networkMap, { b: 1, a: 2 }, 'p')),
    "Unrecognized attribute(s) 'b, a'",
  );
  assert.equal(
    message(() => readCreate(networkMap, { id: 'x' }, 'p')),
    "Attribute 'id' not allowed in POST",
  );
  assert.equal(
    message(() => readUpdate(networkMap, { id: 'x' })),
    'Cannot update read-only attribute id',
  );
  assert.equal(
    message(() => readUpdate(networkMap, 5)),
    "Object 'network' contains invalid data",
  );
  assert.equal(
    message(() => readUpdate(networkMap, { admin_state_up: 'x' })),
    "Invalid input for operation: 'x' cannot be converted to boolean.",
  );
});

test('every map is whole: no name twice, defaults that its own type accepts', () => {
  const maps: readonly AttributeMap[] = [networkMap, subnetMap, portMap, agentMap];
  for (const map of maps) {
    assert.equal(map.byName.size, map.attributes.length, map.plural);
    for (const attribute of map.attributes) {
      if (attribute.default !== undefined)
        assert.deepEqual(
          attribute.type.read(attribute.default),
          { value: attribute.default },
          attribute.name,
        );
      assert.ok(attribute.description.length > 3, attribute.name);
      if (attribute.sort) assert.ok(attribute.column !== null, attribute.name);
    }
  }
});

test('schemas say what may be given when', () => {
  const post = schemaOf(subnetMap, 'post') as { properties: Record<string, unknown>; required: string[] };
  assert.deepEqual(post.required, ['network_id', 'ip_version']);
  assert.ok('cidr' in post.properties);
  assert.ok(!('cidr' in (schemaOf(subnetMap, 'put') as { properties: object }).properties));
});
