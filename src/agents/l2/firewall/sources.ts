/** Under which addresses ports may send: their own, and those of their allowed address pairs. Pure. */
import type { AddressPair } from '../../../resources/agent-view.ts';
import { isWhole, linkLocal, parsePrefix, type Prefix } from './addresses.ts';
import type { Chain } from './form.ts';
import { byThing } from './remember.ts';

export interface FilteredPort {
  readonly id: string;
  readonly link: string;
  /** Its id. */
  readonly network: string;
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly pairs: readonly AddressPair[];
  /** Ids, sorted. */
  readonly groups: readonly string[];
}

interface Source {
  readonly mac: string;
  readonly prefix: Prefix;
}

/** Each once; also the link-local address of each MAC that it may use (as Neutron). */
function sourcesOfPort({ mac, addresses, pairs }: FilteredPort): Source[] {
  const own = addresses.map((address) => ({ mac, address }));
  const others = pairs.map((pair) => ({ mac: pair.mac_address, address: pair.ip_address }));
  const macs = new Set([mac, ...others.map((one) => one.mac)]);
  const found = [...own, ...others].flatMap(({ mac: of, address }): Source[] => {
    const prefix = parsePrefix(address);
    return prefix === null ? [] : [{ mac: of, prefix }];
  });
  return [...found, ...[...macs].map((one) => ({ mac: one, prefix: linkLocal(one) }))];
}

const number = ({ value, length }: Prefix) => `0x${(value >> BigInt(128 - length)).toString(16)}`;

export interface Sources {
  readonly macs: readonly string[];
  readonly sources4: readonly string[];
  readonly sources6: readonly string[];
  readonly targets: readonly string[];
}

/** Single addresses, as elements of the sets that are named so. */
export const sourcesOf = byThing((port: FilteredPort): Sources => {
  const { link } = port;
  const macs = new Set([port.mac, ...port.pairs.map((pair) => pair.mac_address)]);
  const single = sourcesOfPort(port).filter(({ prefix }) => isWhole(prefix));
  const of = (version: 4 | 6) =>
    single
      .filter(({ prefix }) => prefix.version === version)
      .map(({ mac, prefix }) => `${link} . ${mac} . ${prefix.text}`);
  const six = single.filter(({ prefix }) => prefix.version === 6);
  return {
    macs: [...macs].map((mac) => `${link} . ${mac}`),
    sources4: of(4),
    sources6: of(6),
    targets: six.map(({ prefix }) => `${link} . ${number(prefix)}`),
  };
});

export interface WideChains {
  readonly chains: ReadonlyMap<string, Chain>;
  /** By link, the verdict that leads to its chain. */
  readonly wide: ReadonlyMap<string, string>;
  readonly targets: ReadonlyMap<string, string>;
}

const wideSources = byThing((port: FilteredPort) =>
  sourcesOfPort(port).filter(({ prefix }) => !isWhole(prefix)),
);

/** Ports that may send from whole prefixes: few have such pairs, so each has chains of its own. */
export function wideChains(ports: Iterable<FilteredPort>): WideChains {
  const chains = new Map<string, Chain>();
  const wide = new Map<string, string>();
  const targets = new Map<string, string>();
  for (const port of ports) {
    const prefixes = wideSources(port);
    if (prefixes.length === 0) continue;
    const { link } = port;
    const texts = new Set(prefixes.flatMap(wideRules));
    chains.set(`wide-${link}`, { hook: '', rules: [...texts].map((text) => ({ text })) });
    wide.set(link, `jump wide-${link}`);
    const six = new Set(prefixes.filter(({ prefix }) => prefix.version === 6).map(targetRule));
    if (six.size === 0) continue;
    chains.set(`wide-targets-${link}`, { hook: '', rules: [...six].map((text) => ({ text })) });
    targets.set(link, `jump wide-targets-${link}`);
  }
  return { chains, wide, targets };
}

function wideRules({ mac, prefix: { version, length, text } }: Source): string[] {
  if (version === 6)
    return [`ether saddr ${mac} ${length === 0 ? 'ether type ip6' : `ip6 saddr ${text}`} accept`];
  if (length === 0) return [`ether saddr ${mac} ether type ip accept`, `arp saddr ether ${mac} accept`];
  return [`ether saddr ${mac} ip saddr ${text} accept`, `arp saddr ether ${mac} arp saddr ip ${text} accept`];
}

const targetRule = ({ prefix }: Source): string =>
  prefix.length === 0
    ? 'goto source-address6'
    : `@th,64,${prefix.length} ${number(prefix)} goto source-address6`;
