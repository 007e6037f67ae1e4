import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isWithin, massOf, massSilences } from './mass-silence.ts';

const areas = (fleet: Record<string, number>, silent: string[], gone: string[] = []) =>
  massSilences(new Map(Object.entries(fleet)), { silent, gone }).map((one) => one.area);
const times = (count: number, zone: string) => Array.from({ length: count }, () => zone);

test('a third of the fleet is a mass, and in a small fleet three hosts are', () => {
  assert.deepEqual([1, 2, 3, 9, 10, 100].map(massOf), [3, 3, 3, 3, 4, 34]);
  assert.deepEqual(areas({ nova: 2 }, ['nova']), []);
  assert.deepEqual(areas({ nova: 3 }, ['nova', 'nova']), []);
  assert.deepEqual(areas({ nova: 100 }, times(33, 'nova')), []);
  assert.deepEqual(areas({ nova: 100 }, times(34, 'nova')), ['fleet']);
});

test('a zone of its own is enough', () => {
  const fleet = { east: 30, west: 300 };
  assert.deepEqual(areas(fleet, times(10, 'east')), ['zone/east']);
  assert.deepEqual(areas(fleet, [...times(9, 'east'), ...times(90, 'west')]), []);
  assert.deepEqual([isWithin('zone/east', 'east'), isWithin('zone/east', 'west')], [true, false]);
  assert.equal(isWithin('fleet', 'west'), true);
});

test('who has been dead for long counts neither way', () => {
  assert.deepEqual(areas({ nova: 100 }, times(20, 'nova'), times(30, 'nova')), []);
  assert.deepEqual(areas({ nova: 100 }, times(20, 'nova'), times(40, 'nova')), ['fleet']);
});
