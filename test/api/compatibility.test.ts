/** What docs/api-compatibility.md says of attributes is what the attribute maps do. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { collections } from '../../src/api/collections.ts';
import type { Attribute } from '../../src/resources/attribute.ts';

const page = readFileSync(new URL('../../docs/api-compatibility.md', import.meta.url), 'utf8');
const MAPS = collections.map(({ map }) => map);

/** The words in backticks of each resource's row, of the tables in which the page has one. */
const rowsOf = (plural: string): string[][] =>
  page
    .split('\n')
    .filter((line) => line.startsWith(`| ${plural} |`))
    .map((line) => [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string));

const namesOf = (attributes: readonly Attribute[]) => attributes.map((attribute) => attribute.name);

test('the page has what cannot be filtered by, and what is always the same', () => {
  for (const { plural, attributes } of MAPS) {
    const [unfiltered = [], constants = [], ...others] = rowsOf(plural);
    assert.deepEqual(unfiltered, namesOf(attributes.filter((it) => !it.filter)));
    assert.deepEqual(constants, namesOf(attributes.filter((it) => 'constant' in it.type)));
    assert.deepEqual(others, []);
  }
});

test('the page has what only admins see', () => {
  const line = /- Only admins see ([\s\S]*?)\. A member/.exec(page)?.[1] ?? '';
  const said = [...line.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
  assert.deepEqual(said, namesOf(MAPS.flatMap((map) => map.attributes.filter((it) => it.see === 'admin'))));
});
