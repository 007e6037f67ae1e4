import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Handover, lacking, mayGo, type Standing, turnover } from './turnover.ts';

const one = (agentId: string, changes: Partial<Standing> = {}): Standing => ({
  ...{ agentId, leaving: false, alive: true, on: true },
  ...changes,
});
const DEAD = { alive: false };
const OFF = { on: false };
const LEAVING = { leaving: true };

test('a dead agent leaves once it is made up for, and else keeps its place', () => {
  assert.equal(lacking([one('a', DEAD)], 1), 1);
  assert.deepEqual(turnover([one('a', DEAD)], 1, 1), { leave: ['a'], stay: [] });
  assert.deepEqual(turnover([one('a', DEAD)], 0, 1), { leave: [], stay: [] });
  assert.deepEqual(turnover([one('a', DEAD), one('b')], 0, 2), { leave: [], stay: [] });
  assert.deepEqual(turnover([one('a', DEAD), one('b')], 1, 2), { leave: ['a'], stay: [] });
  assert.deepEqual(turnover([one('a', DEAD), one('b', DEAD)], 1, 2), { leave: ['a'], stay: [] });
  assert.deepEqual(turnover([one('a', DEAD), one('b'), one('c')], 0, 1), { leave: ['a'], stay: [] });
});

test('one that is switched off leaves to whoever else is there, and serves on if nobody is', () => {
  assert.deepEqual(turnover([one('a', OFF)], 1, 1), { leave: ['a'], stay: [] });
  assert.deepEqual(turnover([one('a', OFF), one('b')], 0, 2), { leave: ['a'], stay: [] });
  assert.deepEqual(turnover([one('a', OFF)], 0, 1), { leave: [], stay: [] });
});

test('one that was to leave stays if it lives and the others are gone', () => {
  assert.deepEqual(turnover([one('a', LEAVING)], 0, 1), { leave: [], stay: ['a'] });
  assert.deepEqual(turnover([one('a', LEAVING), one('b', DEAD)], 0, 1), { leave: [], stay: ['a'] });
  assert.deepEqual(turnover([one('a', LEAVING), one('b', DEAD)], 1, 1), { leave: ['b'], stay: [] });
  assert.deepEqual(turnover([one('a', { ...LEAVING, ...DEAD })], 0, 1), { leave: [], stay: [] });
  assert.deepEqual(turnover([one('a', { ...LEAVING, ...OFF })], 0, 1), { leave: [], stay: [] });
});

const handed = (agentId: string, changes: Partial<Handover> = {}): Handover => ({
  ...{ agentId, leaving: false, alive: true, on: true, served: true },
  ...changes,
});

test('the old one goes when as many others serve as are wanted or are there, and never before one does', () => {
  const old = handed('old', LEAVING);
  assert.deepEqual(mayGo([old], 1), []);
  assert.deepEqual(mayGo([old, handed('a', { served: false })], 1), []);
  assert.deepEqual(mayGo([old, handed('a', DEAD)], 1), []);
  assert.deepEqual(mayGo([old, handed('a')], 1), ['old']);
  assert.deepEqual(mayGo([old, handed('a')], 2), ['old']);
  assert.deepEqual(mayGo([old, handed('a'), handed('b', { served: false })], 1), ['old']);
  assert.deepEqual(mayGo([old, handed('a'), handed('b', { served: false })], 2), []);
});

test('of the others a dead one is waited for, but not by one that is switched off', () => {
  const others = [handed('a'), handed('b', { ...DEAD, served: false })];
  assert.deepEqual(mayGo([handed('old', LEAVING), ...others], 2), []);
  assert.deepEqual(mayGo([handed('old', { ...LEAVING, ...OFF }), ...others], 2), ['old']);
});

test('whatever is done, somebody who serves is left', () => {
  const bindings = fc
    .uniqueArray(
      fc.record({
        ...{ agentId: fc.constantFrom(...'abcdef'), leaving: fc.boolean(), alive: fc.boolean() },
        ...{ on: fc.boolean(), served: fc.boolean() },
      }),
      { selector: (binding) => binding.agentId },
    )
    .map((all) => all.sort((a, b) => (a.agentId < b.agentId ? -1 : 1)));
  fc.assert(
    fc.property(bindings, fc.nat(2), fc.integer({ min: 1, max: 3 }), (all, added, wanted) => {
      const serving = (of: readonly Handover[]) =>
        of.filter((binding) => binding.served && binding.alive).length;
      const gone = new Set(mayGo(all, wanted));
      const left = all.filter((binding) => !gone.has(binding.agentId));
      assert.ok(serving(all) === 0 || serving(left) > 0);
      const { leave, stay } = turnover(all, added, wanted);
      const current = all.filter((binding) => !binding.leaving && !leave.includes(binding.agentId));
      if (leave.length > 0) assert.ok(current.some((binding) => binding.alive && binding.on) || added > 0);
      assert.ok(stay.every((id) => !leave.includes(id)));
    }),
  );
});
