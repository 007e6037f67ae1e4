/**
 * What another hand may do to a network on a host, as shell scripts: run one on that host as root, in its network and
 * mount namespaces (`lab.run(host, ['sh', '-ec', drift.cause(target)])`). `isMended` is a script too: it succeeds when
 * the host is again as it was.
 */

export interface DriftTarget {
  readonly networkId: string;
  readonly dhcpPortId: string;
  /** `192.0.2.2/24`: what the DHCP port has. */
  readonly dhcpAddress: string;
  /** A port that is bound to this host and served by its DHCP, and its MAC. */
  readonly portId: string;
  readonly portMac: string;
  readonly vni: number;
  /** The tunnel address of another host of the network; undefined: it has none. */
  readonly remote?: string;
  /** The agent's, absolute. */
  readonly stateDirectory: string;
}

export interface Drift {
  readonly name: string;
  /** What it does, for a table. */
  readonly summary: string;
  /** A machine whose port is served gets no answer to a DHCP request until it is mended. */
  readonly stopsDhcp: boolean;
  /** What serves is left alone: the network's dnsmasq is another process afterwards only where this is false. */
  readonly keepsDnsmasq: boolean;
  cause(target: DriftTarget): string;
  isMended(target: DriftTarget): string;
}

const short = (id: string) => id.slice(0, 11);
const namespaceOf = (at: DriftTarget) => `qdhcp-${at.networkId}`;
const tap = (at: DriftTarget) => `tap${short(at.dhcpPortId)}`;
const inner = (at: DriftTarget) => `ns-${short(at.dhcpPortId)}`;
const bridge = (at: DriftTarget) => `brq${short(at.networkId)}`;
const vxlan = (at: DriftTarget) => `vxlan-${at.vni}`;
const directory = (at: DriftTarget) => `${at.stateDirectory}/dhcp/${at.networkId}`;
/** Gives the network's dnsmasq as $pid: by its configuration, whoever started it. */
const findDnsmasq = (at: DriftTarget) => `pid=$(pgrep -f '^dnsmasq .*--conf-file=${directory(at)}/conf')`;

/** dnsmasq runs, is not stopped, in the namespace that bears the network's name, which has the link with its address. */
const isServing = (at: DriftTarget) => `
  ${findDnsmasq(at)}
  test "$(echo "$pid" | wc -l)" = 1
  if grep -q '^State:.T' /proc/$pid/status; then exit 1; fi
  test "$(readlink /proc/$pid/ns/net)" = "$(ip netns exec ${namespaceOf(at)} readlink /proc/self/ns/net)"
  ip -n ${namespaceOf(at)} -o address show dev ${inner(at)} up | grep -qF ' ${at.dhcpAddress} '
  ip -o link show dev ${tap(at)} master ${bridge(at)} up | grep -q LOWER_UP`;

/** The port's machine and the other hosts are reached: the bridge with all its members, and the flood entry. */
const isWired = (at: DriftTarget) => `
  ip -o link show dev ${bridge(at)} up | grep -q .
  ip -o link show dev ${vxlan(at)} master ${bridge(at)} up | grep -q .
  ip -o link show dev tap${short(at.portId)} master ${bridge(at)} up | grep -q .
  ${at.remote === undefined ? '' : `bridge fdb show dev ${vxlan(at)} | grep -qF '00:00:00:00:00:00 dst ${at.remote} '`}`;

/** The port's line lies where dnsmasq reads it, and its configuration is whole. */
const isConfigured = (at: DriftTarget) => `
  cat ${directory(at)}/base ${directory(at)}/hosts/* 2> /dev/null | grep -q '^${at.portMac},'
  grep -q '^dhcp-range=' ${directory(at)}/conf
  grep -q 'option:router' ${directory(at)}/opts`;

const isWhole = (at: DriftTarget) => isServing(at) + isWired(at) + isConfigured(at);

function drift(
  name: string,
  given: {
    readonly summary: string;
    readonly stopsDhcp?: boolean;
    readonly keepsDnsmasq?: boolean;
    readonly cause: (at: DriftTarget) => string;
    readonly isMended?: (at: DriftTarget) => string;
  },
): Drift {
  return {
    name,
    summary: given.summary,
    stopsDhcp: given.stopsDhcp ?? true,
    keepsDnsmasq: given.keepsDnsmasq ?? true,
    cause: given.cause,
    isMended: given.isMended ?? isWhole,
  };
}

const GUARD = 'inet deuteron_l2';
const hasGuard = (at: DriftTarget) =>
  `nft list table ${GUARD} | grep -q 'saddr @tunnel_endpoints'${isWhole(at)}`;
const DHCP_TABLE = 'ip deuteron_dhcp';
const hasDhcpTable = (at: DriftTarget) =>
  `ip netns exec ${namespaceOf(at)} nft list table ${DHCP_TABLE} | grep -q 'checksum set'${isWhole(at)}`;

/** dnsmasq has one file for each port added since it last read all, `base` for the others. */
const forgetEntry = (at: DriftTarget) => `
  rm -f ${directory(at)}/hosts/${at.portId}
  sed -i '/^${at.portMac},/d' ${directory(at)}/base
  ${findDnsmasq(at)}
  kill -HUP $pid`;

/** dnsmasq started by another hand with the very configuration of ours, in its place. */
const replaceDnsmasq = (at: DriftTarget) => `
  ${findDnsmasq(at)}
  kill -KILL $pid
  while kill -0 $pid 2> /dev/null && ! grep -q '^State:.Z' /proc/$pid/status; do sleep 0.01; done
  ip netns exec ${namespaceOf(at)} setsid dnsmasq --keep-in-foreground --conf-file=${directory(at)}/conf > /dev/null 2>&1 &`;

/** What is of interest only where no agent runs: it would be quicker. */
export const DRIFTS_UNSEEN: readonly Drift[] = [
  drift('dnsmasq-replaced', {
    summary: 'its dnsmasq killed and one started by hand in its place',
    stopsDhcp: false,
    keepsDnsmasq: false,
    cause: replaceDnsmasq,
  }),
];

/** By name; the order is that of a table. */
export const DRIFTS: readonly Drift[] = [
  drift('dnsmasq-killed', {
    summary: 'kill -9 of the network’s dnsmasq',
    keepsDnsmasq: false,
    cause: (at) => `${findDnsmasq(at)}\nkill -KILL $pid`,
  }),
  drift('dnsmasq-stopped', {
    summary: 'its dnsmasq stopped by SIGSTOP',
    keepsDnsmasq: false,
    cause: (at) => `${findDnsmasq(at)}\nkill -STOP $pid`,
  }),
  drift('link-deleted', {
    summary: 'the tap of its DHCP port deleted',
    keepsDnsmasq: false,
    cause: (at) => `ip link delete ${tap(at)}`,
  }),
  drift('inner-link-deleted', {
    summary: 'the DHCP port’s link deleted inside the namespace',
    keepsDnsmasq: false,
    cause: (at) => `ip -n ${namespaceOf(at)} link delete ${inner(at)}`,
  }),
  drift('link-down', {
    summary: 'the tap of its DHCP port set down',
    cause: (at) => `ip link set ${tap(at)} down`,
  }),
  drift('inner-link-down', {
    summary: 'the DHCP port’s link set down inside the namespace',
    cause: (at) => `ip -n ${namespaceOf(at)} link set ${inner(at)} down`,
  }),
  drift('link-unplugged', {
    summary: 'the tap of its DHCP port taken out of the bridge',
    cause: (at) => `ip link set ${tap(at)} nomaster`,
  }),
  drift('link-moved', {
    summary: 'the DHCP port’s link moved into another namespace',
    keepsDnsmasq: false,
    cause: (at) => `ip netns add dtn-elsewhere
      ip -n ${namespaceOf(at)} link set ${inner(at)} netns dtn-elsewhere
      ip netns delete dtn-elsewhere`,
  }),
  drift('address-deleted', {
    summary: 'the DHCP port’s address deleted',
    cause: (at) => `ip -n ${namespaceOf(at)} address delete ${at.dhcpAddress} dev ${inner(at)}`,
  }),
  drift('host-entry-deleted', {
    summary: 'a port’s line deleted from dnsmasq’s files, and dnsmasq told to read them',
    cause: forgetEntry,
  }),
  drift('configuration-edited', {
    summary: 'dnsmasq’s options and configuration cut short by hand',
    stopsDhcp: false,
    cause: (at) => `: > ${directory(at)}/opts; sed -i /^dhcp-range/d ${directory(at)}/conf`,
  }),
  drift('directory-deleted', {
    summary: 'the network’s whole directory deleted',
    stopsDhcp: false,
    keepsDnsmasq: false,
    // At once: file by file, the agent would fill it again meanwhile.
    cause: (at) => `mv ${directory(at)} ${at.stateDirectory}/.gone; rm -r ${at.stateDirectory}/.gone`,
  }),
  drift('namespace-deleted', {
    summary: 'ip netns delete, dnsmasq running on inside',
    stopsDhcp: false,
    cause: (at) => `ip netns delete ${namespaceOf(at)}`,
  }),
  drift('namespace-and-dnsmasq-gone', {
    summary: 'ip netns delete and kill -9 of its dnsmasq',
    keepsDnsmasq: false,
    cause: (at) => `${findDnsmasq(at)}\nip netns delete ${namespaceOf(at)}\nkill -KILL $pid`,
  }),
  drift('bridge-deleted', {
    summary: 'the network’s bridge deleted',
    cause: (at) => `ip link delete ${bridge(at)}`,
  }),
  drift('bridge-down', {
    summary: 'the network’s bridge set down',
    cause: (at) => `ip link set ${bridge(at)} down`,
  }),
  drift('tunnel-deleted', {
    summary: 'the network’s VXLAN link deleted',
    stopsDhcp: false,
    cause: (at) => `ip link delete ${vxlan(at)}`,
  }),
  drift('flood-entry-deleted', {
    summary: 'the flood entry towards another host deleted',
    stopsDhcp: false,
    cause: (at) => `bridge fdb delete 00:00:00:00:00:00 dev ${vxlan(at)} dst ${at.remote ?? ''}`,
  }),
  drift('guard-deleted', {
    summary: 'the nftables table that guards the tunnels deleted',
    stopsDhcp: false,
    cause: () => `nft delete table ${GUARD}`,
    isMended: hasGuard,
  }),
  drift('guard-rules-deleted', {
    summary: 'the rules of that table deleted',
    stopsDhcp: false,
    cause: () => `nft flush chain ${GUARD} tunnel`,
    isMended: hasGuard,
  }),
  drift('dhcp-table-deleted', {
    summary: 'the nftables table inside the DHCP namespace deleted',
    stopsDhcp: false,
    cause: (at) => `ip netns exec ${namespaceOf(at)} nft delete table ${DHCP_TABLE}`,
    isMended: hasDhcpTable,
  }),
  drift('dhcp-rule-deleted', {
    summary: 'the rule of that table deleted',
    stopsDhcp: false,
    cause: (at) => `ip netns exec ${namespaceOf(at)} nft flush table ${DHCP_TABLE}`,
    isMended: hasDhcpTable,
  }),
];

export function driftNamed(name: string): Drift {
  const found = [...DRIFTS, ...DRIFTS_UNSEEN].find((each) => each.name === name);
  if (found === undefined) throw new Error(`no drift "${name}": ${DRIFTS.map((d) => d.name).join(', ')}`);
  return found;
}
