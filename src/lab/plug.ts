/**
 * A port's link for machines without a hypervisor: a veth pair, `tap<port id>` on the host, where the agent looks for it,
 * and the machine's own link, with the port's MAC address, in a namespace.
 */
import type { ProgramResult } from './program.ts';

/** Runs a program where the host's links are. */
export type Run = (argv: readonly string[], input?: string) => Promise<ProgramResult>;

/** What of the port the link depends on. */
export interface PluggedPort {
  readonly id: string;
  readonly mac_address: string;
}

/** The name that Neutron and Nova give a port's link: `tap` and the first 11 characters of the port's id. */
export const tapName = (portId: string): string => `tap${portId.slice(0, 11)}`;

export interface PlugOptions {
  readonly port: PluggedPort;
  readonly mtu: number;
  readonly namespace: string;
  readonly device: string;
}

async function must(run: Run, argv: readonly string[], input?: string): Promise<string> {
  const result = await run(argv, input);
  if (result.code === 0) return result.stdout;
  throw new Error(`${argv.join(' ')}: ${result.stderr.trim() || `exit code ${result.code}`}`);
}

async function hasNamespace(run: Run, name: string): Promise<boolean> {
  const listed = await must(run, ['ip', 'netns', 'list']);
  return listed.split('\n').some((line) => line.split(' ')[0] === name);
}

/** The MAC address of a link; undefined when there is no such link. */
async function macOf(run: Run, device: string, namespace?: string): Promise<string | undefined> {
  const result = await run([
    'ip',
    ...(namespace ? ['-n', namespace] : []),
    '-j',
    'link',
    'show',
    'dev',
    device,
  ]);
  if (result.code !== 0) return undefined;
  return (JSON.parse(result.stdout) as { address?: string }[])[0]?.address;
}

/**
 * Makes namespace and link; what is there already as wanted is left. Says whether anything was made. Throws where the
 * link's name is taken by something else.
 */
export async function plugPort(run: Run, options: PlugOptions): Promise<'plugged' | 'already plugged'> {
  const { port, mtu, namespace, device } = options;
  const tap = tapName(port.id);
  if (!(await hasNamespace(run, namespace))) await must(run, ['ip', 'netns', 'add', namespace]);
  if ((await macOf(run, tap)) !== undefined) {
    if ((await macOf(run, device, namespace)) === port.mac_address) return 'already plugged';
    throw new Error(`${tap} is there already, but not as ${device} of ${namespace}: unplug the port first`);
  }
  if ((await macOf(run, device, namespace)) !== undefined)
    throw new Error(`${namespace} has a ${device} already: choose another with --device`);
  const end = `peer name ${device} address ${port.mac_address} mtu ${mtu} netns ${namespace}`;
  await must(
    run,
    ['ip', '-batch', '-'],
    `link add ${tap} mtu ${mtu} type veth ${end}\nlink set ${tap} addrgenmode none up\n`,
  );
  await must(run, ['ip', '-n', namespace, '-batch', '-'], `link set lo up\nlink set ${device} up\n`);
  return 'plugged';
}

/** Removes the link, both ends. Says whether there was one. */
export async function unplugPort(run: Run, portId: string): Promise<boolean> {
  const tap = tapName(portId);
  if ((await macOf(run, tap)) === undefined) return false;
  await must(run, ['ip', 'link', 'delete', tap]);
  return true;
}

/** Removes a machine's namespace; fine if it is not there. */
export async function removeNamespace(run: Run, name: string): Promise<void> {
  if (await hasNamespace(run, name)) await must(run, ['ip', 'netns', 'delete', name]);
}
