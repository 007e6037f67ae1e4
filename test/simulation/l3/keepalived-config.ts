/** What a configuration of keepalived says (keepalived.conf(5)), as far as the model follows it. */

import type { Route } from '../../../src/host/host.ts';

export interface TrackedFile {
  /** Absolute. */
  readonly path: string;
  readonly weight: number;
}

export interface HeldAddress {
  readonly address: string;
  readonly link: string;
}

export interface InstanceConfig {
  readonly vrId: number;
  readonly link: string;
  readonly advertMs: number;
  readonly priority: number;
  readonly tracked: readonly TrackedFile[];
  readonly addresses: readonly HeldAddress[];
  readonly routes: readonly Route[];
}

interface Block {
  readonly words: readonly string[];
  readonly inside: readonly Block[];
}

const unquoted = (word: string) => word.replace(/^"(.*)"$/, '$1');

function parse(lines: string[]): Block[] {
  const blocks: Block[] = [];
  for (;;) {
    const line = lines.shift();
    if (line === undefined) return blocks;
    const words = (line.replace(/[#!].*/, '').match(/"[^"]*"|\S+/g) ?? []).map(unquoted);
    if (words.length === 0) continue;
    if (words[0] === '}') return blocks;
    if (words.at(-1) === '{') blocks.push({ words: words.slice(0, -1), inside: parse(lines) });
    else blocks.push({ words, inside: [] });
  }
}

const all = (blocks: readonly Block[], name: string) => blocks.filter(({ words }) => words[0] === name);
const inside = (blocks: readonly Block[], name: string) => all(blocks, name).flatMap((block) => block.inside);
const firstOf = (blocks: readonly Block[], name: string) => all(blocks, name)[0]?.words[1];

function after(words: readonly string[], word: string): string | undefined {
  const at = words.indexOf(word);
  return at < 0 ? undefined : words[at + 1];
}

const addressOf = ({ words }: Block, link: string): HeldAddress => ({
  address: words[0] ?? '',
  link: after(words, 'dev') ?? link,
});

/** What follows a next hop, up to the next one, is said of it. */
function routeOf(words: readonly string[]): Route {
  const destination = words[0] ?? '';
  const at = words.flatMap((word, index) => (word === 'via' ? index : []));
  const [first, ...others] = at.map((from, n) => ({
    nexthop: words[from + 1] ?? '',
    link: after(words.slice(from, at[n + 1]), 'dev') ?? null,
  }));
  if (!first) return { destination, nexthop: null, link: after(words, 'dev') ?? null };
  return { destination, ...first, ...(others.length > 0 ? { others } : {}) };
}

/** Throws where there is no instance in it that could run. */
export function readConfig(text: string): InstanceConfig {
  const top = parse(text.split('\n'));
  const files = new Map(
    [...all(top, 'track_file'), ...all(top, 'vrrp_track_file')].map((block) => [
      block.words[1] ?? '',
      { path: firstOf(block.inside, 'file') ?? '', weight: Number(firstOf(block.inside, 'weight') ?? 1) },
    ]),
  );
  const [instance] = all(top, 'vrrp_instance');
  const body = instance?.inside ?? [];
  const link = firstOf(body, 'interface') ?? '';
  const vrId = Number(firstOf(body, 'virtual_router_id'));
  if (!instance || link === '' || !(vrId >= 1 && vrId <= 255)) throw new Error('no instance that could run');
  const addresses = [...inside(body, 'virtual_ipaddress'), ...inside(body, 'virtual_ipaddress_excluded')].map(
    (block) => addressOf(block, link),
  );
  const tracked = inside(body, 'track_file').flatMap(({ words }) => {
    const file = files.get(words[0] ?? '');
    return file ? [{ path: file.path, weight: Number(after(words, 'weight') ?? file.weight) }] : [];
  });
  return {
    ...{ vrId, link, addresses, tracked },
    advertMs: Math.round(Number(firstOf(body, 'advert_int') ?? 1) * 1_000),
    priority: Number(firstOf(body, 'priority') ?? 100),
    routes: inside(body, 'virtual_routes').map(({ words }) => routeOf(words)),
  };
}
