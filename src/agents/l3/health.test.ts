import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { carrierFinding, pathState, penaltyOf, tunnelFinding } from './health.ts';
import { MOST_OFF, renderTracked } from './keepalived.ts';

const answers = (...hosts: readonly [string, boolean][]) => new Map(hosts);
const costs = (map: ReadonlyMap<string, boolean>): number => tunnelFinding(map)?.penalty ?? 0;
/** Priority of a replica by what stands in its tracked file. */
const priority = (rank: number, isPrimary: boolean, penalty: number) =>
  250 - Number(renderTracked({ rank, isPrimary, penalty }));

test('of three hosts one whose tunnels are cut gives way, whichever rank the others have', () => {
  const cut = costs(answers(['h2', false], ['h3', false]));
  const other = costs(answers(['h1', false], ['h3', true]));
  for (const ranks of [
    [0, 1, 2],
    [1, 0, 2],
    [2, 1, 0],
  ] as const) {
    const active = priority(ranks[0], true, cut);
    const best = Math.max(priority(ranks[1], false, other), priority(ranks[2], false, other));
    assert.ok(best > active, `${best} > ${active}`);
  }
});

test('the end of another host moves nothing, and neither does a cut between all', () => {
  const survivor = costs(answers(['h2', false], ['h3', true]));
  assert.ok(priority(1, true, survivor) >= priority(0, false, survivor));
  const alone = costs(answers(['h2', false], ['h3', false]));
  assert.ok(priority(1, true, alone) >= priority(0, false, alone));
  assert.ok(priority(0, false, alone) > 0);
});

test('one silent endpoint of many costs nothing and is told', () => {
  const finding = tunnelFinding(answers(['h2', true], ['h3', true], ['h4', false]));
  assert.deepEqual(finding, {
    penalty: 0,
    reason: '1 of 3 hosts do not answer through the tunnel network: h4',
  });
  assert.equal(tunnelFinding(answers(['h2', true])), null);
  assert.equal(tunnelFinding(answers()), null);
});

test('a path is up when anybody answers, and unknown with nobody to ask', () => {
  assert.equal(pathState(answers()), 'unknown');
  assert.equal(pathState(answers(['a', false], ['b', true])), 'up');
  assert.equal(pathState(answers(['a', false])), 'down');
});

test('a bond that lost one link costs nothing and is told, one that lost all costs the carrier', () => {
  const bond = { name: 'bond0', members: 2, down: ['eth1'] };
  assert.deepEqual(carrierFinding({ link: 'bond0.7', carries: 'tunnel', isUp: true, bond }), {
    penalty: 0,
    reason: 'eth1 is down: bond0 has 1 of 2 links left',
  });
  const lost = { ...bond, down: ['eth0', 'eth1'] };
  assert.equal(carrierFinding({ link: 'bond0.7', carries: 'tunnel', isUp: false, bond: lost })?.penalty, 150);
  assert.equal(carrierFinding({ link: 'eth2', carries: 'external', isUp: false, bond: null })?.penalty, 100);
  assert.equal(carrierFinding({ link: 'eth2', carries: 'external', isUp: true, bond: null }), null);
});

test('however much ails it a replica stays electable', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(500)), (penalties) => {
      const { penalty, reasons } = penaltyOf(penalties.map((one) => ({ penalty: one, reason: `${one}` })));
      assert.ok(penalty >= 0 && penalty <= MOST_OFF);
      assert.equal(reasons.length, penalties.length);
    }),
  );
});
