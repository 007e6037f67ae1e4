import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOn, agentUrl, findNode, hostsOf, layOut, serversOf } from './layout.ts';

const layout = layOut({ id: 'demo', hosts: 3, servers: 2, stateDirectory: '/tmp/lab' });

test('names and addresses follow from id and number', () => {
  assert.deepEqual(
    layout.nodes.map((node) => node.namespace),
    ['dtn-demo-h1', 'dtn-demo-h2', 'dtn-demo-h3', 'dtn-demo-ctl1', 'dtn-demo-ctl2'],
  );
  assert.equal(addressOn(hostsOf(layout)[2]!, 'tunnel'), '10.250.0.3');
  assert.deepEqual(serversOf(layout).map(agentUrl), ['http://10.251.0.254:9697', 'http://10.251.0.253:9697']);
});

test('no link name is longer than Linux takes, even in the largest lab', () => {
  const large = layOut({ id: 'a'.repeat(16), hosts: 100, servers: 9, stateDirectory: '/tmp/lab' });
  for (const link of large.nodes.flatMap((node) => node.links)) {
    assert.ok(link.switchPort.length <= 15, link.switchPort);
  }
  const addresses = large.nodes.flatMap((node) => node.links.map((link) => link.address)).filter(Boolean);
  assert.equal(new Set(addresses).size, addresses.length);
});

test('a node is found by name or by its number, and the error says which there are', () => {
  assert.equal(findNode(layout, '2').name, 'h2');
  assert.equal(findNode(layout, 'ctl2').name, 'ctl2');
  assert.throws(() => findNode(layout, 'h9'), /no "h9" in this lab: it has h1, h2, h3, ctl1, ctl2/);
});

test('ids and sizes that cannot be are refused', () => {
  const make = (change: object) => () =>
    layOut({ id: 'x', hosts: 1, servers: 1, stateDirectory: '/tmp/lab', ...change });
  for (const change of [
    { id: '' },
    { id: 'a/b' },
    { id: 'A' },
    { hosts: 101 },
    { hosts: 1.5 },
    { servers: -1 },
  ]) {
    assert.throws(make(change), RangeError);
  }
});
