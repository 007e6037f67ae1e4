/**
 * Kinds of what ails replicas of HA routers, told from the sentence by which an agent says it: agents of any version say sentences,
 * and what is counted must not grow with hosts and scripts.
 */

export const AILMENTS = [
  'tunnel',
  'tunnel-carrier',
  'external-carrier',
  'bond',
  'check',
  'check-broken',
  'unwired',
  'alone',
  'held-down',
  'other',
] as const;
export type Ailment = (typeof AILMENTS)[number];

/** The first that fits. */
const SIGNS: readonly (readonly [Ailment, RegExp])[] = [
  ['held-down', / \(no more: that counts in full after \d+ s of it\)$/],
  ['check-broken', /^check \S+ says nothing: /],
  ['check', /^check \S+ fails: /],
  ['tunnel', /^\d+ of \d+ hosts do not answer through the tunnel network: /],
  ['tunnel-carrier', / has no carrier: it is this host's link to the tunnel network$/],
  ['external-carrier', / has no carrier: it is this host's link to the external network$/],
  ['bond', / has \d+ of \d+ links left$/],
  ['unwired', /^not wired here yet: /],
  ['alone', /^nobody answers this host, /],
];

/** What kind of ailment a sentence is about. */
export const ailmentOf = (reason: string): Ailment =>
  SIGNS.find(([, sign]) => sign.test(reason))?.[0] ?? 'other';
