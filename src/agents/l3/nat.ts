/** From floating IPs and port forwardings to elements of the table's maps, and back to the connections that end with one. Pure. */
import { isIPv4 } from 'node:net';
import type { Shortfall } from '../../reconcile/controller.ts';
import type { FloatingIpBody, ForwardingBody } from '../../resources/agent-view.ts';
import type { Elements } from './nftables.ts';

/** Protocols whose headers begin with two ports, by nft's and conntrack's names. */
const WITH_PORTS: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp', 'dccp']);
/** More ports than this of one forwarding are cut together with the address's other connections to the same machine. */
const PORTS_CUT_ONE_BY_ONE = 16;

export interface NatInput {
  /** null: the router has no gateway link with an IPv4 address. */
  readonly gateway: { readonly link: string; readonly address: string } | null;
  readonly enableSnat: boolean;
  readonly floatingIps: readonly FloatingIpBody[];
  readonly forwardings: readonly ForwardingBody[];
}

export interface Nat {
  readonly elements: Elements;
  /** Addresses that the gateway link needs for it, each with the object that wants it. */
  readonly addresses: ReadonlyMap<string, string>;
  readonly shortfalls: readonly Shortfall[];
}

export function natOf(input: NatInput): Nat {
  const floating = new Map<string, string>();
  const fixed = new Map<string, string>();
  const forwarding = new Map<string, string>();
  const gateway = new Map<string, string>();
  const addresses = new Map<string, string>();
  const shortfalls: Shortfall[] = [];
  const cannot = (object: string, reason: string) => shortfalls.push({ object, state: 'waiting', reason });
  if (input.gateway !== null && input.enableSnat)
    gateway.set(`"${input.gateway.link}"`, input.gateway.address);
  for (const { id, floating_ip_address: outside, fixed_ip_address: inside } of input.floatingIps) {
    const object = `floating-ip/${id}`;
    if (!isIPv4(outside) || !isIPv4(inside)) cannot(object, 'only IPv4 addresses float');
    else if (input.gateway === null) cannot(object, 'the router has no gateway here');
    else if (floating.has(outside) || fixed.has(inside)) cannot(object, 'another has one of its addresses');
    else {
      floating.set(outside, inside);
      fixed.set(inside, outside);
      addresses.set(outside, object);
    }
  }
  for (const body of input.forwardings) {
    const object = `forwarding/${body.id}`;
    const reason = input.gateway === null ? 'the router has no gateway here' : complaintOf(body, floating);
    if (reason !== null) {
      cannot(object, reason);
      continue;
    }
    for (const [key, value] of pairsOf(body)) {
      if (forwarding.has(key)) cannot(object, `another has ${key}`);
      else forwarding.set(key, value);
    }
    if (!addresses.has(body.floating_ip_address)) addresses.set(body.floating_ip_address, object);
  }
  return { elements: { floating, fixed, forwarding, gateway }, addresses, shortfalls };
}

/** null: it can be forwarded. */
function complaintOf(body: ForwardingBody, floating: ReadonlyMap<string, string>): string | null {
  const [first, last] = body.external_port;
  const [low, high] = body.internal_port;
  const isPort = (port: number) => Number.isInteger(port) && port >= 1 && port <= 65535;
  if (!WITH_PORTS.has(body.protocol)) return `"${body.protocol}" has no ports`;
  if (!isIPv4(body.floating_ip_address) || !isIPv4(body.internal_ip_address)) return 'only IPv4 is forwarded';
  if (![first, last, low, high].every(isPort) || first > last || low > high) return 'no range of ports';
  if (low !== high && high - low !== last - first) return 'ranges of ports of different lengths';
  return floating.has(body.floating_ip_address) ? 'the address is given to one machine as a whole' : null;
}

function* pairsOf(body: ForwardingBody): Iterable<[string, string]> {
  const [first, last] = body.external_port;
  const [low, high] = body.internal_port;
  for (let port = first; port <= last; port++) {
    const to = low === high ? low : low + port - first;
    yield [`${body.floating_ip_address} . ${body.protocol} . ${port}`, `${body.internal_ip_address} . ${to}`];
  }
}

/**
 * What conntrack must forget when the elements change so: a connection would go on over an entry that is no more. Each is
 * `conntrack -D`'s arguments as one line (conntrack(8)): -d, -s as first sent, -q, -r as answered.
 */
export function cutsOf(from: ReadonlyMap<string, ReadonlyMap<string, string>>, to: Elements): string[] {
  const cuts = new Set<string>();
  const gone = (map: keyof Elements) =>
    [...(from.get(map) ?? [])].filter(([key, value]) => to[map].get(key) !== value);
  for (const [outside] of gone('floating')) cuts.add(`-d ${outside}`);
  for (const [inside, outside] of gone('fixed')) cuts.add(`-s ${inside} -q ${outside}`);
  for (const [, address] of gone('gateway')) cuts.add(`-q ${address}`);
  const ports = gone('forwarding').map(([key, value]) => {
    const [outside = '', protocol = '', port = ''] = key.split(' . ');
    const [inside = ''] = value.split(' . ');
    return {
      port: `-p ${protocol} -d ${outside} --dport ${port}`,
      all: `-p ${protocol} -d ${outside} -r ${inside}`,
    };
  });
  const counts = new Map<string, number>();
  for (const { all } of ports) counts.set(all, (counts.get(all) ?? 0) + 1);
  for (const { port, all } of ports) cuts.add((counts.get(all) ?? 0) > PORTS_CUT_ONE_BY_ONE ? all : port);
  return [...cuts].sort();
}
