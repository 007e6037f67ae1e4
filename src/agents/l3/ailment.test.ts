/** What this agent says of ailments is told apart where it is counted. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ailmentOf } from '../../resources/ailment.ts';
import { type Carrier, carrierFinding, tunnelFinding } from './health.ts';
import { WiringCost } from './wiring-cost.ts';

const carrier = (changes: Partial<Carrier>) =>
  ailmentOf(
    carrierFinding({ link: 'eth1', carries: 'tunnel', isUp: false, bond: null, ...changes })?.reason ?? '',
  );

test('each sentence of health is of a kind', () => {
  const silent = tunnelFinding(new Map([['h2', false]]));
  assert.equal(ailmentOf(silent?.reason ?? ''), 'tunnel');
  assert.equal(carrier({}), 'tunnel-carrier');
  assert.equal(carrier({ carries: 'external' }), 'external-carrier');
  assert.equal(carrier({ isUp: true, bond: { name: 'bond0', members: 2, down: ['eth1'] } }), 'bond');
  const wiring = new WiringCost();
  wiring.found(['qg-1 to the external network'], 0);
  wiring.begins();
  assert.deepEqual(wiring.reasons(0).map(ailmentOf), ['unwired']);
  assert.equal(ailmentOf('something new'), 'other');
});
