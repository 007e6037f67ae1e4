import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cut, carrierBatch, cutRuleset, withCut, withoutCuts } from './cuts.ts';
import { layOut } from './layout.ts';

const layout = layOut({ id: 'x', hosts: 2, servers: 1, stateDirectory: '/tmp/x' });
const silent: Cut = { node: 'h1', segment: 'tunnel', kind: 'silent', direction: 'both' };
const deaf: Cut = { node: 'h2', segment: 'tunnel', kind: 'silent', direction: 'in' };
const lossy: Cut = { node: 'h2', segment: 'management', kind: 'loss', direction: 'out', amount: 30 };
const unplugged: Cut = { node: 'ctl1', segment: 'management', kind: 'carrier', direction: 'both' };

test('a cut drops at the switch what the host would send, receive, or both', () => {
  const rules = (cuts: Cut[]) =>
    cutRuleset(layout, cuts)
      .split('\n')
      .filter((line) => line.endsWith('drop'))
      .map((line) => line.trim());
  assert.deepEqual(rules([silent]), ['iifname "h1-tun" drop', 'oifname "h1-tun" drop']);
  assert.deepEqual(rules([deaf]), ['oifname "h2-tun" drop']);
  assert.deepEqual(rules([lossy]), ['iifname "h2-mgmt" numgen random mod 100 < 30 drop']);
  assert.deepEqual(rules([{ ...deaf, kind: 'mtu', amount: 1400 }]), [
    'oifname "h2-tun" meta length > 1400 drop',
  ]);
  assert.deepEqual(rules([unplugged]), [], 'a carrier cut needs no rule');
  assert.deepEqual(rules([]), [], 'the healed table is there and empty');
});

test('a carrier cut takes its own link down and leaves the others up', () => {
  const lines = carrierBatch(layout, [unplugged, silent]).trimEnd().split('\n');
  assert.deepEqual(
    lines.filter((line) => line.endsWith('down')),
    ['link set ctl1-mgmt down'],
  );
  assert.equal(lines.length, 7);
});

test('healing takes away what it names', () => {
  const all = [silent, deaf, lossy];
  assert.deepEqual(withoutCuts(all), []);
  assert.deepEqual(withoutCuts(all, 'h2'), [silent]);
  assert.deepEqual(withoutCuts(all, 'h2', 'tunnel'), [silent, lossy]);
  assert.deepEqual(withoutCuts(all, undefined, 'tunnel'), [lossy]);
});

test('a link has one cut: the last', () => {
  const carrier: Cut = { ...silent, kind: 'carrier' };
  assert.deepEqual(withCut([silent, deaf], carrier), [deaf, carrier]);
});
