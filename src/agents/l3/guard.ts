/**
 * keepalived of one router, under a small shell that outlives the agent. Whoever kills keepalived, the shell takes away what
 * it left and starts it again: without that, addresses would stay where nobody announces them.
 */
import { createHash } from 'node:crypto';
import { EndedAtOnce, type Host, type ProcessSpec, ROUTE_PROTOCOL } from '../../host/host.ts';
import { namespaceOf } from './desired.ts';
import { SCHEMA } from './keepalived.ts';
import { paths } from './observe.ts';

export const KEEPALIVED_PREFIX = 'keepalived-';
export const keepalivedName = (routerId: string): string => KEEPALIVED_PREFIX + routerId;

const STOP_MS = 2_000;

/**
 * The script is fixed. $1 and $2: pid files, of which a killed keepalived leaves some behind; then its command line. One that
 * ends soon is started again after ever longer, up to nine tenths of a second.
 */
const GUARD = `
one=$1 two=$2; shift 2
command -v "$1" > /dev/null || { echo "there is no $1" >&2; exit 127; }
clear() {
  { ip -o address show scope global; ip -o -6 address show scope link; } | while read -r _ l _ a _; do
    case "$l $a" in qr-*|qg-*|"ha-"*" 169.254.0."*) echo "address delete $a dev $l" ;; esac
  done | ip -force -batch -
  ip -4 route flush proto ${ROUTE_PROTOCOL}; ip -6 route flush proto ${ROUTE_PROTOCOL}
} 2> /dev/null
p= pause=0
trap 'test -n "$p" && kill -HUP "$p"' HUP
trap 'test -n "$p" && kill -TERM "$p" && wait "$p"; clear; exit 0' TERM
while :; do
  read -r from _ < /proc/uptime
  rm "$one" "$two" 2> /dev/null
  "$@" & p=$!
  while kill -0 "$p" 2> /dev/null; do wait "$p"; done
  p=
  clear
  read -r to _ < /proc/uptime
  test $((\${to%.*} - \${from%.*})) -lt 10 || pause=0
  sleep "0.$pause"; pause=$((pause * 2 % 9 + 1))
done`;

function specOf(host: Host, routerId: string): ProcessSpec {
  const at = paths(routerId);
  const [one, two] = [host.absolute(at.keepalivedPid), host.absolute(at.vrrpPid)];
  const own = ['keepalived', '-n', '-l', '-P', '-f', host.absolute(at.keepalived), '-p', one, '-r', two];
  const argv = ['sh', '-c', GUARD, 'sh', one, two, ...own];
  return {
    name: keepalivedName(routerId),
    namespace: namespaceOf(routerId),
    argv,
    // Not the script: a new one is no reason to let go of what serves.
    configHash: createHash('sha256')
      .update(`${SCHEMA} ${own.join(' ')}`)
      .digest('hex')
      .slice(0, 16),
  };
}

export async function stopKeepalived(host: Host, routerId: string): Promise<boolean> {
  if ((await host.findProcess(keepalivedName(routerId))) === null) return false;
  await host.stopProcess(keepalivedName(routerId), STOP_MS);
  return true;
}

/**
 * The script is fixed. A file may name what is long gone (one of before the host was started anew, say), and its number another's by
 * now, also another router's keepalived: it must have been started with this file.
 */
const KILL = `for f in "$@"; do
  read -r p < "$f" && read -r n < "/proc/$p/comm" && test "$n" = keepalived &&
    tr '\\0' '\\n' < "/proc/$p/cmdline" | grep -qxF -e "$f" && kill -KILL "$p"
done 2> /dev/null; true`;

/** keepalived itself, and not its guard, which takes away what it held and starts it again. */
export async function killKeepalived(host: Host, routerId: string): Promise<void> {
  const at = paths(routerId);
  const files = [at.keepalivedPid, at.vrrpPid].map((path) => host.absolute(path));
  await host.runProgram(null, ['sh', '-c', KILL, 'sh', ...files]);
}

/**
 * Makes keepalived run with this configuration; says what it had to do. `prepare` is called before a start. Throws
 * `EndedAtOnce` where it does not stay.
 */
export async function ensureKeepalived(
  host: Host,
  routerId: string,
  { text, prepare }: { text: string; prepare: () => Promise<void> },
): Promise<'started' | 'told' | null> {
  const at = paths(routerId);
  const spec = specOf(host, routerId);
  const found = await host.findProcess(spec.name);
  // It keeps what it has, and tells nobody: others have taken it over by now.
  if (found !== null && found.stuck !== null) await killKeepalived(host, routerId);
  if (found?.configHash === spec.configHash && !(await host.isAstray(spec.name, namespaceOf(routerId)))) {
    if ((await host.readFile(at.keepalivedTold)) === text) return null;
    await host.writeFile(at.keepalived, text);
    await host.signalProcess(spec.name, 'HUP');
    // Last: a life that ends before this tells it once more.
    await host.writeFile(at.keepalivedTold, text);
    return 'told';
  }
  await stopKeepalived(host, routerId);
  // One whose guard was killed runs on, beside the one that is started now.
  if (found === null && (await host.readFile(at.keepalivedPid)) !== null)
    await killKeepalived(host, routerId);
  await host.writeFile(at.keepalived, text);
  await prepare();
  await host.startProcess(spec);
  await host.writeFile(at.keepalivedTold, text);
  return 'started';
}

export const isMissing = (error: unknown): boolean => error instanceof EndedAtOnce;

export const leaseName = (routerId: string): string => `lease-${routerId}`;

/** Ends by itself what it begins, also where the agent is gone by then. */
const LEASE = `echo 1 > "$1.new" && mv "$1.new" "$1"; sleep "$2"; echo 0 > "$1.new" && mv "$1.new" "$1"`;

export const isLeaseRunning = async (host: Host, routerId: string): Promise<boolean> =>
  (await host.findProcess(leaseName(routerId))) !== null;

/** For so long keepalived takes no part; again, and it begins anew. */
export async function beginLease(host: Host, routerId: string, ms: number): Promise<void> {
  await host.stopProcess(leaseName(routerId), 0);
  const argv = ['sh', '-c', LEASE, 'sh', host.absolute(paths(routerId).lease), String(ms / 1000)];
  await host.writeFile(paths(routerId).lease, '1\n');
  await host.startProcess({ name: leaseName(routerId), namespace: null, argv, configHash: '' });
}

/** A life that ended as it began a lease may have left one that nothing ends. */
export async function endOrphan(host: Host, routerId: string): Promise<void> {
  const lease = await host.readFile(paths(routerId).lease);
  if (lease === null || lease === '0\n' || (await isLeaseRunning(host, routerId))) return;
  await endLease(host, routerId);
}

export async function endLease(host: Host, routerId: string): Promise<void> {
  await host.stopProcess(leaseName(routerId), 0);
  await host.writeFile(paths(routerId).lease, '0\n');
}
