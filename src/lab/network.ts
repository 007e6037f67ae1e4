/** Namespaces and links of a lab: made in a few `ip -batch` runs, removed by prefix. */
import { type Cut, carrierBatch, cutRuleset } from './cuts.ts';
import type { Ground } from './ground.ts';
import {
  type Layout,
  type LabNode,
  OUTSIDE,
  SEGMENTS,
  UNDERLAY_MTU,
  bridgeOf,
  namespacePrefix,
  outsideNamespace,
} from './layout.ts';
import { mustRun, runProgram } from './program.ts';

/** The switch says nothing of its own: no IPv6 of its bridges, no filtering by the hosts' rules for IP. */
const QUIET_SWITCH = `
for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 > "$f"; done 2> /dev/null
for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done 2> /dev/null
:`;

/** The outside's link at the switch. */
const OUTSIDE_PORT = 'out-ext';

const inSwitch = (layout: Layout): string[] => ['nsenter', `--net=/run/netns/${layout.switchNamespace}`];

/** Makes every namespace with its links, all up and healed. What is there already makes it fail. */
export async function createNetwork(ground: Ground, layout: Layout): Promise<void> {
  const { switchNamespace, nodes } = layout;
  const outside = outsideNamespace(layout.id);
  const batch = (namespace: string | null, lines: readonly string[]) =>
    mustRun([...ground.enter, 'ip', ...(namespace ? ['-n', namespace] : []), '-batch', '-'], {
      input: `${lines.join('\n')}\n`,
    });
  await batch(null, [
    ...[switchNamespace, outside, ...nodes.map((node) => node.namespace)].map((name) => `netns add ${name}`),
    vethLine(outside, OUTSIDE.device, { namespace: switchNamespace, device: OUTSIDE_PORT }),
    ...nodes.flatMap((node) =>
      node.links.map((link) =>
        vethLine(node.namespace, link.device, { namespace: switchNamespace, device: link.switchPort }),
      ),
    ),
  ]);
  await mustRun([...ground.enter, ...inSwitch(layout), 'sh', '-c', QUIET_SWITCH]);
  await batch(switchNamespace, switchLines(layout));
  await Promise.all([
    batch(outside, outsideLines()),
    ...nodes.map((node) => batch(node.namespace, nodeLines(node))),
  ]);
}

const vethLine = (namespace: string, device: string, peer: { namespace: string; device: string }): string =>
  `link add ${device} mtu ${UNDERLAY_MTU} netns ${namespace} type veth ` +
  `peer name ${peer.device} mtu ${UNDERLAY_MTU} netns ${peer.namespace}`;

function outsideLines(): string[] {
  const { device, v4, v6 } = OUTSIDE;
  return [
    'link set lo up',
    `link set ${device} addrgenmode none up`,
    `address add ${v4} dev ${device}`,
    `address add ${v6} dev ${device} nodad`,
  ];
}

function switchLines(layout: Layout): string[] {
  return [
    'link set lo up',
    ...SEGMENTS.flatMap((segment) => [
      `link add ${bridgeOf(segment)} mtu ${UNDERLAY_MTU} type bridge mcast_snooping 0 forward_delay 0`,
      `link set ${bridgeOf(segment)} addrgenmode none up`,
    ]),
    `link set ${OUTSIDE_PORT} addrgenmode none master ${bridgeOf('external')} up`,
    ...layout.nodes.flatMap((node) =>
      node.links.map(
        (link) => `link set ${link.switchPort} addrgenmode none master ${bridgeOf(link.segment)} up`,
      ),
    ),
  ];
}

function nodeLines(node: LabNode): string[] {
  return [
    'link set lo up',
    ...node.links.flatMap((link) => [
      `link set ${link.device} addrgenmode none up`,
      ...(link.address ? [`address add ${link.address} dev ${link.device}`] : []),
    ]),
  ];
}

/** Makes the switch like the list of cuts: nothing else is cut. Both kinds at once: what is measured from a cut begins with it. */
export async function applyCuts(ground: Ground, layout: Layout, cuts: readonly Cut[]): Promise<void> {
  await Promise.all([
    mustRun([...ground.enter, 'ip', '-n', layout.switchNamespace, '-batch', '-'], {
      input: carrierBatch(layout, cuts),
    }),
    // nft wants a file or a terminal: it refuses the socket that a child's standard input is here.
    mustRun([...ground.enter, ...inSwitch(layout), 'sh', '-c', 'cat | nft -f -'], {
      input: cutRuleset(layout, cuts),
    }),
  ]);
}

/** The lab's namespaces that exist on this ground. */
export async function listNamespaces(ground: Ground, id: string): Promise<string[]> {
  const result = await runProgram([...ground.enter, 'ip', 'netns', 'list']);
  return result.stdout
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
    .filter((name) => name.startsWith(namespacePrefix(id)));
}

/** Deletes the lab's namespaces with all links in them. */
export async function removeNetwork(ground: Ground, id: string): Promise<void> {
  const names = await listNamespaces(ground, id);
  if (names.length === 0) return;
  await mustRun([...ground.enter, 'ip', '-batch', '-'], {
    input: names.map((name) => `netns del ${name}\n`).join(''),
  });
}
