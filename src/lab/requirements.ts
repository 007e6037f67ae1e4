/** What a lab needs of the machine: programs, and kernel features tried out in a namespace that is thrown away. */
import { isRoot } from './ground.ts';
import { runProgram } from './program.ts';

/** Program and Debian package. */
const PROGRAMS = [
  ['ip', 'iproute2'],
  ['bridge', 'iproute2'],
  ['nft', 'nftables'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['setpriv', 'util-linux'],
  ['mount', 'mount'],
  ['dnsmasq', 'dnsmasq-base'],
  ['dhcp_release', 'dnsmasq-utils'],
  ['udhcpc', 'udhcpc'],
  ['ping', 'iputils-ping'],
  ['arping', 'iputils-arping'],
  ['conntrack', 'conntrack'],
  ['keepalived', 'keepalived'],
  ['conntrackd', 'conntrackd'],
  ['radvd', 'radvd'],
] as const;

/** Each is a command that succeeds where the feature is there. */
const FEATURES = [
  ['bridges', 'ip link add br0 type bridge'],
  ['veth pairs', 'ip link add v0 type veth peer name v1'],
  ['VXLAN', 'ip link add vx0 type vxlan id 1 dstport 4789 local 127.0.0.1'],
  ['nftables', 'nft add table inet x'],
  [
    'filter for what bridges pass on (br_netfilter)',
    'ip link add br1 type bridge && test -d /proc/sys/net/bridge',
  ],
  [
    'nftables rules in bridges',
    "nft 'table bridge x { chain c { type filter hook forward priority 0; numgen random mod 100 < 1 drop; }; }'",
  ],
] as const;

const ENVIRONMENT = { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };

/** Programs that are not there, each as a sentence. */
async function missingPrograms(): Promise<string[]> {
  const script = PROGRAMS.map(([name]) => `command -v ${name} > /dev/null || echo ${name}`).join('\n');
  const absent = new Set((await runProgram(['sh', '-c', script], { env: ENVIRONMENT })).stdout.split('\n'));
  return PROGRAMS.filter(([name]) => absent.has(name)).map(
    ([name, pack]) => `the program ${name} is missing (Debian package ${pack})`,
  );
}

/** What keeps a lab from running here, one sentence each; empty when nothing does. */
export async function missingForLab(): Promise<string[]> {
  const programs = await missingPrograms();
  if (programs.some((line) => /program (ip|nft|unshare) /.test(line))) return programs;
  const namespaces = isRoot() ? ['--net', '--mount'] : ['--map-root-user', '--net', '--mount'];
  const tries = FEATURES.map(([what, command]) => `${command} > /dev/null 2>&1 || echo '${what}'`).join('\n');
  const tried = await runProgram(['unshare', ...namespaces, 'sh', '-c', `${tries}\necho done`], {
    env: ENVIRONMENT,
  });
  if (!tried.stdout.endsWith('done\n')) {
    const how = isRoot()
      ? 'this process may not make namespaces (it is root, but without CAP_SYS_ADMIN)'
      : 'without root, the kernel must allow user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces, or an AppArmor rule forbids them here)';
    return [...programs, `${how}: ${tried.stderr.trim()}`];
  }
  const features = tried.stdout.split('\n').filter((line) => line !== '' && line !== 'done');
  return [...programs, ...features.map((what) => `the kernel has no ${what}, or does not allow them here`)];
}
