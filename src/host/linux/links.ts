import { writeFile } from 'node:fs/promises';
import { assert } from '../../lib/assert.ts';
import type { Bridging, Link, LinkStep, StepResult } from '../host.ts';
import { runBatch } from './batch.ts';
import {
  addressWithPrefix,
  ipAddress,
  linkName,
  macAddress,
  mtuValue,
  namespaceName,
  wholeNumber,
} from '../grammar.ts';
import { complaint, type Spawner } from './spawner.ts';

/** The part of `ip -j -d` that we read. */
interface RawLink {
  readonly ifname?: string;
  /** What it stands on. */
  readonly link?: string;
  readonly flags?: readonly string[];
  readonly mtu?: number;
  readonly master?: string;
  readonly address?: string;
  readonly linkinfo?: {
    readonly info_kind?: string;
    readonly info_data?: {
      readonly id?: number;
      readonly local?: string;
      readonly local6?: string;
      readonly port?: number;
      readonly learning?: boolean;
      readonly nf_call_iptables?: number;
      readonly nf_call_ip6tables?: number;
    };
    readonly info_slave_kind?: string;
    readonly info_slave_data?: Readonly<
      Partial<Record<'isolated' | 'learning' | 'flood' | 'mcast_flood' | 'bcast_flood', boolean>>
    >;
  };
  readonly addr_info?: readonly {
    readonly local?: string;
    readonly prefixlen?: number;
    readonly scope?: string;
    readonly family?: string;
  }[];
}

const KINDS: Readonly<Record<string, Link['kind']>> = {
  bridge: 'bridge',
  vxlan: 'vxlan',
  veth: 'veth',
  tun: 'tun',
  vlan: 'vlan',
};

/** Turns the output of `ip -j -d link|addr show` into links. */
export function parseLinks(json: string): Link[] {
  if (json.trim() === '') return [];
  const links: Link[] = [];
  for (const raw of JSON.parse(json) as RawLink[]) {
    // `ip -j` leaves empty objects where a filter dropped a link.
    if (raw.ifname === undefined) continue;
    const kind = KINDS[raw.linkinfo?.info_kind ?? ''] ?? 'other';
    links.push({
      name: raw.ifname,
      kind,
      up: raw.flags?.includes('UP') ?? false,
      mtu: raw.mtu ?? 0,
      mac: raw.address ?? '',
      master: raw.master ?? null,
      ...(kind === 'vxlan' ? vxlanOf(raw) : {}),
      ...(kind === 'vlan' ? { vlan: { id: raw.linkinfo?.info_data?.id ?? 0, on: raw.link ?? '' } } : {}),
      ...(raw.linkinfo?.info_slave_kind === 'bridge' ? { bridging: bridgingOf(raw) } : {}),
      ...(kind === 'bridge' && isFiltered(raw) ? { filtered: true } : {}),
      addresses: addressesOf(raw),
    });
  }
  return links;
}

function vxlanOf(raw: RawLink): Pick<Link, 'vxlan'> {
  const data = raw.linkinfo?.info_data;
  if (data === undefined) return {};
  const { id = 0, local, local6, port = 0, learning = false } = data;
  return { vxlan: { id, local: local ?? local6 ?? '', port, learning } };
}

function isFiltered(raw: RawLink): boolean {
  const { nf_call_iptables: ip, nf_call_ip6tables: ip6 } = raw.linkinfo?.info_data ?? {};
  return ip === 1 && ip6 === 1;
}

function bridgingOf(raw: RawLink): Bridging {
  const data = raw.linkinfo?.info_slave_data ?? {};
  const { isolated = false, learning = true, flood = true, mcast_flood = true, bcast_flood = true } = data;
  return { isolated, learning, flood: flood && mcast_flood && bcast_flood };
}

function addressesOf(raw: RawLink): string[] {
  const addresses: string[] = [];
  for (const info of raw.addr_info ?? []) {
    if (info.local === undefined || (info.family === 'inet6' && info.scope === 'link')) continue;
    addresses.push(`${info.local}/${info.prefixlen}`);
  }
  return addresses;
}

/** The lines of an `ip` batch for a step. Pure; a word outside the grammar is a bug. */
export function linesOf(step: LinkStep): string[] {
  switch (step.op) {
    case 'add-bridge': {
      const name = linkName(step.name);
      const mac = step.mac === undefined ? '' : ` address ${macAddress(step.mac)}`;
      return [
        `link add name ${name} mtu ${mtuValue(step.mtu)}${mac} type bridge mcast_snooping 0 forward_delay 0`,
        `link set dev ${name} addrgenmode none`,
      ];
    }
    case 'add-vxlan': {
      const name = linkName(step.name);
      const id = wholeNumber(step.id, 0, 2 ** 24 - 1);
      const port = wholeNumber(step.port, 1, 65535);
      return [
        `link add name ${name} mtu ${mtuValue(step.mtu)} type vxlan id ${id} local ${ipAddress(step.local)} dstport ${port} ${step.learning === false ? 'nolearning' : 'learning'}`,
        `link set dev ${name} addrgenmode none`,
      ];
    }
    case 'add-vlan': {
      const name = linkName(step.name);
      const id = wholeNumber(step.id, 1, 4094);
      return [
        `link add link ${linkName(step.on)} name ${name} mtu ${mtuValue(step.mtu)} type vlan id ${id}`,
        `link set dev ${name} addrgenmode none`,
      ];
    }
    case 'add-veth': {
      const name = linkName(step.name);
      const mtu = mtuValue(step.mtu);
      const peer = `${linkName(step.peer.name)} mtu ${mtu} address ${macAddress(step.peer.mac)}`;
      return [
        `link add name ${name} mtu ${mtu} type veth peer name ${peer} netns ${namespaceName(step.peer.namespace)}`,
        `link set dev ${name} addrgenmode none`,
      ];
    }
    case 'set-link':
      return setLines(step);
    case 'delete-link':
      return [`link delete dev ${linkName(step.name)}`];
    case 'add-address': {
      const address = addressWithPrefix(step.address);
      // The control plane gave the address out once; probing for a duplicate would leave it unusable for a second or two.
      const nodad = address.includes(':') ? ' nodad' : '';
      return [`address replace ${address} dev ${linkName(step.link)}${nodad}`];
    }
    case 'delete-address':
      return [`address delete ${addressWithPrefix(step.address)} dev ${linkName(step.link)}`];
    case 'announce':
      // The kernel announces a link's addresses when its MAC is set, also to what it was.
      return [`link set dev ${linkName(step.name)} address ${macAddress(step.mac)}`];
  }
}

function setLines(step: LinkStep & { op: 'set-link' }): string[] {
  const name = linkName(step.name);
  const lines: string[] = [];
  // A line each: in one request the kernel would refuse all for the sake of one.
  if (step.ipv6 === false) lines.push(`link set dev ${name} addrgenmode none`);
  if (step.mac !== undefined) lines.push(`link set dev ${name} address ${macAddress(step.mac)}`);
  if (step.mtu !== undefined) lines.push(`link set dev ${name} mtu ${mtuValue(step.mtu)}`);
  if (step.master === null) lines.push(`link set dev ${name} nomaster`);
  else if (step.master !== undefined) lines.push(`link set dev ${name} master ${linkName(step.master)}`);
  if (step.bridging !== undefined)
    lines.push(`link set dev ${name} type bridge_slave ${words(step.bridging)}`);
  if (step.filtered !== undefined) {
    const on = step.filtered ? 1 : 0;
    lines.push(`link set dev ${name} type bridge nf_call_iptables ${on} nf_call_ip6tables ${on}`);
  }
  if (step.up !== undefined) lines.push(`link set dev ${name} ${step.up ? 'up' : 'down'}`);
  return lines;
}

function words({ isolated, learning, flood }: Bridging): string {
  const flags = { isolated, learning, flood, mcast_flood: flood, bcast_flood: flood };
  const settings = Object.entries(flags).map(([flag, on]) => `${flag} ${on ? 'on' : 'off'}`);
  return [...settings, ...(learning ? [] : ['fdb_flush'])].join(' ');
}

function sameBridging(a: Bridging | undefined, b: Bridging): boolean {
  return a?.isolated === b.isolated && a.learning === b.learning && a.flood === b.flood;
}

/** Whether the links are already as the step would make them: then a complaint of the tool does not matter. */
export function alreadySo(step: LinkStep, links: readonly Link[]): boolean {
  const find = (name: string) => links.find((link) => link.name === name);
  switch (step.op) {
    case 'add-bridge':
      return find(step.name)?.kind === 'bridge';
    case 'add-vxlan': {
      const vxlan = find(step.name)?.vxlan;
      const same = vxlan?.id === step.id && vxlan.local === step.local && vxlan.port === step.port;
      return same && vxlan.learning === (step.learning ?? true);
    }
    case 'add-vlan': {
      const vlan = find(step.name)?.vlan;
      return vlan?.id === step.id && vlan.on === step.on;
    }
    case 'announce':
      return false;
    case 'add-veth':
      // Whether its other end is where it should be cannot be told from here.
      return false;
    case 'delete-link':
      return find(step.name) === undefined;
    case 'set-link': {
      const link = find(step.name);
      if (link === undefined) return false;
      return (
        (step.up === undefined || link.up === step.up) &&
        (step.master === undefined || link.master === step.master) &&
        (step.bridging === undefined || sameBridging(link.bridging, step.bridging)) &&
        (step.filtered === undefined || (link.filtered ?? false) === step.filtered) &&
        (step.mtu === undefined || link.mtu === step.mtu) &&
        (step.mac === undefined || link.mac === step.mac.toLowerCase())
      );
    }
    case 'add-address':
      return find(step.link)?.addresses.includes(step.address) ?? false;
    case 'delete-address': {
      const link = find(step.link);
      return link === undefined || !link.addresses.includes(step.address);
    }
  }
}

export function createLinks(spawner: Spawner) {
  const ip = (namespace: string | null) =>
    namespace === null ? ['ip'] : ['ip', '-n', namespaceName(namespace)];

  async function list(namespace: string | null): Promise<Link[]> {
    const finished = await spawner.run([...ip(namespace), '-j', '-d', 'address', 'show']);
    if (finished.code !== 0) throw new Error(`cannot list links: ${complaint(finished)}`);
    return parseLinks(finished.stdout);
  }

  async function named(names: readonly string[]): Promise<Link[]> {
    if (names.length === 0) return [];
    const input = names.map((name) => `link show dev ${linkName(name)}\n`).join('');
    const finished = await spawner.run(['ip', '-j', '-d', '-force', '-batch', '-'], { input });
    // Code 1: some of them are not there.
    if (finished.code !== 0 && finished.code !== 1)
      throw new Error(`cannot list links: ${complaint(finished)}`);
    return finished.stdout.split('\n').flatMap(parseLinks);
  }

  return {
    /** Without addresses: at a few thousand links that is the cheaper dump. */
    async links(names?: readonly string[]): Promise<Link[]> {
      if (names !== undefined) return named(names);
      const finished = await spawner.run(['ip', '-j', '-d', 'link', 'show']);
      if (finished.code !== 0) throw new Error(`cannot list links: ${complaint(finished)}`);
      return parseLinks(finished.stdout);
    },

    async linksIn(namespaces: readonly string[]): Promise<Map<string, Link[]>> {
      const half = Math.ceil(namespaces.length / 2);
      const parts = [namespaces.slice(0, half), namespaces.slice(half)].filter((part) => part.length > 0);
      const outputs = await Promise.all(parts.map((part) => dump(spawner, part)));
      return new Map(outputs.flatMap((output) => [...output]));
    },

    async changeLinks(
      namespace: string | null,
      steps: readonly LinkStep[],
      mayBegin?: Promise<boolean>,
    ): Promise<StepResult[]> {
      const lines: string[] = [];
      const owner: number[] = [];
      for (const [index, step] of steps.entries()) {
        for (const line of linesOf(step)) {
          lines.push(line);
          owner.push(index);
        }
      }
      const results: StepResult[] = steps.map(() => null);
      const done = await runBatch(spawner, ip(namespace), lines, mayBegin);
      for (const [index, result] of done.entries()) {
        const step = owner[index];
        assert(step !== undefined, 'each line has its step');
        results[step] ??= result;
      }
      if (namespace === null) await quieten(steps, results);
      if (results.every((result) => result === null)) return results;
      const now = await list(namespace).catch(() => null);
      if (now === null) return results;
      return results.map((result, index) =>
        result === null || alreadySo(steps[index]!, now) ? null : result,
      );
    },
  };
}

const MAKES: ReadonlySet<LinkStep['op']> = new Set(['add-bridge', 'add-vxlan', 'add-vlan', 'add-veth']);

/**
 * `addrgenmode none` keeps link-local addresses away; this also keeps the host from taking an address from a router
 * advertisement on a tenant's network.
 */
async function quieten(steps: readonly LinkStep[], results: readonly StepResult[]): Promise<void> {
  for (const [index, step] of steps.entries()) {
    const made = MAKES.has(step.op);
    if (
      results[index] !== null ||
      !('name' in step) ||
      !(made || (step.op === 'set-link' && step.ipv6 === false))
    )
      continue;
    // Missing where the kernel has no IPv6, or another hand was quicker to delete the link: nothing to keep quiet.
    await writeFile(`/proc/sys/net/ipv6/conf/${step.name}/disable_ipv6`, '1\n').catch(() => undefined);
  }
}

/** The script is fixed; names go in as its arguments. One line each: name, then the JSON of its links. */
const DUMP = `for n in "$@"; do j=$(ip -n "$n" -j -d address show 2>/dev/null) && printf '%s %s\\n' "$n" "$j"; done; true`;

async function dump(spawner: Spawner, namespaces: readonly string[]): Promise<Map<string, Link[]>> {
  const finished = await spawner.run(['sh', '-c', DUMP, 'sh', ...namespaces.map(namespaceName)]);
  if (finished.code !== 0) throw new Error(`cannot list links of namespaces: ${complaint(finished)}`);
  const found = new Map<string, Link[]>();
  for (const line of finished.stdout.split('\n')) {
    const blank = line.indexOf(' ');
    if (blank > 0) found.set(line.slice(0, blank), parseLinks(line.slice(blank + 1)));
  }
  return found;
}
