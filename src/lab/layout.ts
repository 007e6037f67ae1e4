/** Names, addresses and paths of a lab: all of them follow from its id, its size and its directory. */
import { join } from 'node:path';

export const SEGMENTS = ['tunnel', 'management', 'external'] as const;
/** A link layer that hosts share; the switch namespace has one bridge for each. */
export type Segment = (typeof SEGMENTS)[number];

const SHORT: Readonly<Record<Segment, string>> = { tunnel: 'tun', management: 'mgmt', external: 'ext' };

/** One end at the node, the other at the switch. */
export interface NodeLink {
  readonly segment: Segment;
  /** The link's name at the node, e.g. `tun0`. */
  readonly device: string;
  /** Its other end's name in the switch namespace, e.g. `h1-tun`. */
  readonly switchPort: string;
  /** With prefix length; null for none. */
  readonly address: string | null;
}

/** A host or a server: whatever has a namespace on the switch. */
export interface LabNode {
  readonly kind: 'host' | 'server';
  /** `h1` or `ctl1`. */
  readonly name: string;
  readonly number: number;
  readonly namespace: string;
  /** Its files: configuration, credential, state. */
  readonly directory: string;
  readonly links: readonly NodeLink[];
}

export interface Layout {
  readonly version: 1;
  readonly id: string;
  readonly stateDirectory: string;
  readonly switchNamespace: string;
  readonly nodes: readonly LabNode[];
}

export const MAX_HOSTS = 100;
export const MAX_SERVERS = 9;
export const UNDERLAY_MTU = 1500;
export const AGENT_PORT = 9697;

/** What is beyond the external segment: a namespace with these addresses, to be reached and to reach from. */
export const OUTSIDE = { device: 'ext0', v4: '203.0.113.1/24', v6: '2001:db8:ffff::1/64' } as const;
export const outsideNamespace = (id: string): string => `${namespacePrefix(id)}out`;

export const bridgeOf = (segment: Segment): string => `br-${SHORT[segment]}`;

/** Every namespace of a lab begins with this. */
export const namespacePrefix = (id: string): string => `dtn-${id}-`;

/** A lab's id: it goes into names of namespaces and files. */
export const isLabId = (text: string): boolean => /^[a-z0-9]{1,16}$/.test(text);

export interface LayoutOptions {
  readonly id: string;
  readonly hosts: number;
  readonly servers: number;
  readonly stateDirectory: string;
}

/** Throws RangeError for a size that the addresses do not allow. */
export function layOut(options: LayoutOptions): Layout {
  const { id, hosts, servers, stateDirectory } = options;
  if (!isLabId(id)) throw new RangeError(`"${id}" is no lab id: up to 16 lower-case letters and digits`);
  if (!Number.isInteger(hosts) || hosts < 0 || hosts > MAX_HOSTS)
    throw new RangeError(`a lab has 0 to ${MAX_HOSTS} hosts, not ${hosts}`);
  if (!Number.isInteger(servers) || servers < 0 || servers > MAX_SERVERS)
    throw new RangeError(`a lab has 0 to ${MAX_SERVERS} servers, not ${servers}`);
  const node = (
    kind: LabNode['kind'],
    number: number,
    links: readonly [Segment, string | null][],
  ): LabNode => {
    const name = `${kind === 'host' ? 'h' : 'ctl'}${number}`;
    return {
      kind,
      name,
      number,
      namespace: `${namespacePrefix(id)}${name}`,
      directory: join(stateDirectory, name),
      links: links.map(([segment, address]) => ({
        segment,
        device: `${SHORT[segment]}0`,
        switchPort: `${name}-${SHORT[segment]}`,
        address,
      })),
    };
  };
  const count = (n: number) => Array.from({ length: n }, (_, at) => at + 1);
  return {
    version: 1,
    id,
    stateDirectory,
    switchNamespace: `${namespacePrefix(id)}sw`,
    nodes: [
      ...count(hosts).map((n) =>
        node('host', n, [
          ['tunnel', `10.250.0.${n}/24`],
          ['management', `10.251.0.${n}/24`],
          ['external', null],
        ]),
      ),
      ...count(servers).map((n) => node('server', n, [['management', `10.251.0.${255 - n}/24`]])),
    ],
  };
}

export const hostsOf = (layout: Layout): LabNode[] => layout.nodes.filter((n) => n.kind === 'host');
export const serversOf = (layout: Layout): LabNode[] => layout.nodes.filter((n) => n.kind === 'server');

/** By name; `2` means host `h2`. Throws with the names that there are. */
export function findNode(layout: Layout, name: string): LabNode {
  const wanted = /^\d+$/.test(name) ? `h${name}` : name;
  const found = layout.nodes.find((n) => n.name === wanted);
  if (found) return found;
  throw new RangeError(`no "${name}" in this lab: it has ${layout.nodes.map((n) => n.name).join(', ')}`);
}

/** The node's address on a segment, without prefix length. Throws where it has none. */
export function addressOn(node: LabNode, segment: Segment): string {
  const address = node.links.find((link) => link.segment === segment)?.address;
  if (!address) throw new RangeError(`${node.name} has no address on the ${segment} segment`);
  return address.slice(0, address.indexOf('/'));
}

/** The node's link on a segment. Throws where it has none. */
export function linkOn(node: LabNode, segment: Segment): NodeLink {
  const link = node.links.find((one) => one.segment === segment);
  if (!link) throw new RangeError(`${node.name} is not on the ${segment} segment`);
  return link;
}

/** Where a server serves its API: reachable from every namespace of this machine, so it needs no network. */
export const apiSocket = (server: LabNode): string => join(server.directory, 'api.sock');

/** Where agents reach a server. */
export const agentUrl = (server: LabNode): string =>
  `http://${addressOn(server, 'management')}:${AGENT_PORT}`;
