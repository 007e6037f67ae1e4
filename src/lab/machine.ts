/** A tenant's machine: a namespace on an emulated host, a plugged port, and a real DHCP client. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { enterNode } from './ground.ts';
import type { LabNode } from './layout.ts';
import { type PluggedPort, type Run, plugPort, removeNamespace, unplugPort } from './plug.ts';
import { end, findRunning, forget, launch, type ProcessRecord } from './processes.ts';
import { type ProgramResult, runProgram } from './program.ts';
import type { Place } from './services.ts';
import { until } from './until.ts';

const DEVICE = 'eth0';
const SCRIPT = fileURLToPath(new URL('udhcpc.sh', import.meta.url));

export interface Machine {
  /** Its namespace on the host. */
  readonly name: string;
  readonly host: LabNode;
  readonly port: PluggedPort;
}

/** What the DHCP server gave, as udhcpc names it; '' for what it did not give. */
export interface Lease {
  readonly ip: string;
  /** Prefix length. */
  readonly mask: string;
  readonly mtu: string;
  readonly router: string;
  readonly dns: string;
  readonly domain: string;
  readonly staticroutes: string;
  readonly serverid: string;
  /** Seconds. */
  readonly lease: string;
}

/** Runs programs on the node. */
export const runOn =
  (place: Place, node: LabNode): Run =>
  (argv, input) =>
    runProgram(
      [...enterNode(place.ground, place.layout, node), ...argv],
      input === undefined ? {} : { input },
    );

/** Runs a program in the machine's namespace. */
export function runInMachine(
  place: Place,
  machine: Machine,
  argv: readonly string[],
): Promise<ProgramResult> {
  return runOn(place, machine.host)(['ip', 'netns', 'exec', machine.name, ...argv]);
}

/** Makes the machine with its link; the DHCP client is started apart. */
export async function makeMachine(place: Place, machine: Machine, mtu: number): Promise<void> {
  const { name, host, port } = machine;
  await plugPort(runOn(place, host), { port, mtu, namespace: name, device: DEVICE });
}

const clientName = (machine: Machine): string => `${machine.host.name}.${machine.name}.dhcp`;
const leaseFile = (machine: Machine): string => join(machine.host.directory, 'leases', machine.name);

/** Starts udhcpc, which asks once a second until it has a lease and then keeps it. */
export function startDhcpClient(place: Place, machine: Machine): Promise<ProcessRecord> {
  const { ground, layout } = place;
  const file = leaseFile(machine);
  mkdirSync(dirname(file), { recursive: true });
  const ask = ['udhcpc', '-f', '-i', DEVICE, '-s', SCRIPT, '-T', '1', '-t', '20', '-A', '1'];
  const want = ['-O', 'mtu', '-O', 'staticroutes'];
  return launch({
    stateDirectory: layout.stateDirectory,
    name: clientName(machine),
    argv: [...enterNode(ground, layout, machine.host), 'ip', 'netns', 'exec', machine.name, ...ask, ...want],
    env: { ...process.env, LEASE_FILE: file },
  });
}

/** undefined: it has none (yet). */
export function leaseOf(machine: Machine): Lease | undefined {
  const file = leaseFile(machine);
  if (!existsSync(file)) return undefined;
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/=(.*)/s).slice(0, 2))) as Lease;
}

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** The machine's lease, once it has one. */
export function waitForLease(place: Place, machine: Machine, wait: WaitOptions): Promise<Lease> {
  const what = `${machine.name} on ${machine.host.name} has a lease`;
  return until(place.clock, { what, ...wait }, () => leaseOf(machine));
}

/** Pings from the machine once a try until an answer comes; gives the round trip in milliseconds. */
export function waitForPing(
  place: Place,
  machine: Machine,
  target: { address: string } & WaitOptions,
): Promise<number> {
  const { address, ...wait } = target;
  const what = `${machine.name} on ${machine.host.name} reaches ${address}`;
  return until(place.clock, { what, ...wait }, async () => {
    const result = await runInMachine(place, machine, ['ping', '-n', '-c', '1', '-W', '1', address]);
    const time = /time=([\d.]+) ms/.exec(result.stdout);
    return time ? Number(time[1]) : undefined;
  });
}

/** Ends the client without giving the lease back, as a crash would. */
export async function stopDhcpClient(place: Place, machine: Machine): Promise<void> {
  const { stateDirectory } = place.layout;
  const client = findRunning(stateDirectory, clientName(machine));
  if (client) await end(place.clock, [client], 0);
  forget(stateDirectory, clientName(machine));
}

/** The machine goes: client, link, namespace. */
export async function removeMachine(place: Place, machine: Machine): Promise<void> {
  await stopDhcpClient(place, machine);
  const run = runOn(place, machine.host);
  await unplugPort(run, machine.port.id);
  await removeNamespace(run, machine.name);
}
