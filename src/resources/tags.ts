/** Tags: words that owners put on their resources, and lists by them (Neutron's extension standard-attr-tag). */
import { listOf, text, type ValueType } from './values.ts';

const MAX_TAGS = 200;

const anyText = text(255);

/** One tag. */
export const tag: ValueType = {
  schema: { ...anyText.schema, minLength: 1 },
  read: (value) => (value === '' ? { reason: "'' is not a valid tag" } : anyText.read(value)),
  filter: (given) => anyText.filter(given),
};

const list = listOf(tag, { max: MAX_TAGS, what: 'tag' });

/** The tags of a resource: different ones, sorted. */
export const tagList: ValueType = {
  ...list,
  read(value) {
    const reading = list.read(value);
    return 'value' in reading ? { value: (reading.value as string[]).sort() } : reading;
  },
};

/** What a list can ask of tags, by its parameter: all of those that it names, any, not all, not any. */
export const TAG_FILTERS = {
  tags: { operator: 'has all', description: 'Only those with all of these tags, separated by commas.' },
  'tags-any': { operator: 'has any', description: 'Only those with any of these tags.' },
  'not-tags': { operator: 'lacks some', description: 'Only those without all of these tags.' },
  'not-tags-any': { operator: 'lacks all', description: 'Only those with none of these tags.' },
} as const;

export type TagFilter = keyof typeof TAG_FILTERS;
export type TagOperator = (typeof TAG_FILTERS)[TagFilter]['operator'];
