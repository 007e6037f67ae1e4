import assert from 'node:assert/strict';
import { test } from 'node:test';
import { covers, readHint, targetsOf } from './targets.ts';

const PORT = ['dhcp/n|lease/p', 'host/h1|port/p', 'network/n|endpoint/h1'];
const told = (refs: readonly string[], host: string, groups: readonly string[]) => {
  const { l2, dhcp, l3 } = targetsOf(readHint(refs), host, (group) => groups.includes(group));
  return [...l2, ...dhcp, ...l3].map(({ role, key, object, kind }) => `${role} ${key} ${object} ${kind}`);
};

test('a new port is wired on its host, flooded to from others, leased where its DHCP is', () => {
  assert.deepEqual(told(PORT, 'h1', ['network/n']), ['l2 network/n port/p port']);
  assert.deepEqual(told(PORT, 'h2', ['network/n']), ['l2 network/n endpoint/h1 endpoint']);
  assert.deepEqual(told(PORT, 'h3', ['network/n', 'dhcp/n']), [
    'l2 network/n endpoint/h1 endpoint',
    'dhcp network/n port/p lease',
  ]);
  assert.deepEqual(told(PORT, 'h4', ['network/other']), []);
});

test('a network is for whoever has it, a subnet for who serves it', () => {
  const refs = ['network/n|network/n', 'dhcp/n|subnet/s'];
  assert.deepEqual(told(refs, 'h1', ['network/n']), ['l2 network/n  network']);
  assert.deepEqual(told(refs, 'h2', ['network/n', 'dhcp/n']), [
    'l2 network/n  network',
    'dhcp network/n  network',
    'dhcp network/n subnet/s subnet',
  ]);
});

test('a router is for whoever has a replica, its parts one by one', () => {
  const refs = ['interface/p', 'floating-ip/f', 'forwarding/w'].map((key) => `router/r|${key}`);
  assert.deepEqual(told(refs, 'h1', ['router/r']), [
    'l3 router/r port/p port',
    'l3 router/r floating-ip/f floating-ip',
    'l3 router/r forwarding/w forwarding',
  ]);
  assert.deepEqual(told(refs, 'h2', ['network/n']), []);
  const whole = ['router/r|router/r', 'router/r|replica/h2'];
  assert.deepEqual(told(whole, 'h1', ['router/r']), ['l3 router/r  router']);
});

test('what firewalls are made of is for whoever hears of it, each as a whole', () => {
  const joined = ['members/g|member/p', 'members/g|member/q', 'host/h1|port/p'];
  assert.deepEqual(told(joined, 'h1', ['security-group/g']), ['l2  port/p port']);
  assert.deepEqual(told(joined, 'h2', ['members/g']), ['l2 members/g  members']);
  assert.deepEqual(told(joined, 'h3', ['security-group/g']), []);
  const rule = ['security-group/g|security-group/g', 'address-group/a|address-group/a'];
  assert.deepEqual(told(rule, 'h1', ['security-group/g', 'address-group/a']), [
    'l2 security-group/g  security-group',
    'l2 address-group/a  address-group',
  ]);
});

test('hosts that have the same of a change share what it means, and no others', () => {
  const hint = readHint(PORT);
  const all = () => true;
  const some = (group: string) => group === 'network/n';
  assert.equal(targetsOf(hint, 'h2', all), targetsOf(hint, 'h3', all));
  assert.notDeepEqual(targetsOf(hint, 'h2', all), targetsOf(hint, 'h3', some));
  assert.notDeepEqual(targetsOf(hint, 'h1', all), targetsOf(hint, 'h2', all));
});

test('of very many objects only the key is told', () => {
  const refs = Array.from({ length: 100 }, (_, at) => `dhcp/n|lease/${at}`);
  assert.deepEqual(told(refs, 'h1', ['dhcp/n']), ['dhcp network/n  lease']);
});

test('an exception covers its object, or its whole key, from its position on', () => {
  const target = { key: 'network/n', object: 'port/p' };
  const missing = { key: 'network/n', object: '', state: 'failed', since: 5, reason: '' } as const;
  assert.equal(covers(missing, target, 5), true);
  assert.equal(covers(missing, target, 4), false);
  assert.equal(covers({ ...missing, state: 'waiting' }, target, 4), true);
  assert.equal(covers({ ...missing, object: 'port/q' }, target, 5), false);
  assert.equal(covers({ ...missing, key: 'network/m' }, target, 5), false);
  assert.equal(covers({ ...missing, key: 'network/m' }, { key: '', object: 'port/p' }, 5), true);
});
