/** What `nft -j list table` prints (libnftables-json(5)). Pure. */
import type { ChainForm, TableForm } from '../host.ts';

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

interface Listed {
  readonly chain?: {
    readonly name: string;
    readonly hook?: string;
    readonly prio?: number;
    readonly policy?: string;
  };
  readonly rule?: { readonly chain: string; readonly comment?: string };
  readonly set?: { readonly name: string; readonly elem?: readonly Json[] };
  readonly map?: { readonly name: string; readonly elem?: readonly (readonly [Json, Json])[] };
}

export function parseTableForm(listing: string): TableForm {
  const { nftables } = JSON.parse(listing) as { readonly nftables: readonly Listed[] };
  const chains = new Map<string, ChainForm & { readonly rules: string[] }>();
  const sets = new Map<string, Set<string>>();
  const maps = new Map<string, Map<string, string>>();
  for (const { chain, rule, set, map } of nftables) {
    if (chain !== undefined) chains.set(chain.name, { hook: hookOf(chain), rules: [] });
    if (rule !== undefined) chains.get(rule.chain)?.rules.push(rule.comment ?? '');
    if (set !== undefined) sets.set(set.name, new Set(set.elem?.map(words)));
    if (map !== undefined)
      maps.set(map.name, new Map(map.elem?.map(([key, value]) => [words(key), words(value)])));
  }
  return { chains, sets, maps };
}

const hookOf = ({ hook, prio, policy }: NonNullable<Listed['chain']>) =>
  hook === undefined ? '' : `${hook} ${prio} ${policy}`;

function words(element: Json): string {
  if (typeof element !== 'object' || element === null) return String(element);
  if (Array.isArray(element)) return element.map(words).join(' . ');
  const [[kind, value] = ['', '']] = Object.entries(element);
  const part = (name: string): Json =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? ((value as { readonly [key: string]: Json })[name] ?? '')
      : '';
  switch (kind) {
    case 'concat':
      return words(value);
    case 'prefix':
      return `${words(part('addr'))}/${words(part('len'))}`;
    case 'range':
      return Array.isArray(value) ? value.map(words).join('-') : '';
    case 'elem':
      return words(part('val'));
    case 'goto':
    case 'jump':
      return `${kind} ${words(part('target'))}`;
    default:
      return kind;
  }
}
