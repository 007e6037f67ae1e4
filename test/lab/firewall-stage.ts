/** Two emulated hosts with machines whose ports have firewalls, an underlay between them; and frames as a machine should not send them. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import type { Host } from '../../src/host/host.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock, sleep } from '../../src/lib/clock.ts';
import { endpoint, id, networkBody, TestWorld } from '../support/network-objects.ts';
import { guardedPort, mac } from '../support/security-objects.ts';
import { Talker } from './talker.ts';

export const NETWORK = id(0xaa);
const KEY = `network/${NETWORK}`;
const NEVER = new AbortController().signal;

export function sh(script: string): string {
  const run = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
  assert.equal(run.status, 0, `${script}\n${run.stdout}${run.stderr}`);
  return run.stdout;
}

export const tapOf = (number: number): string => `tap0000000${number}-00`;
export const machine = (number: number): string => `dtn-m${number}`;

export function pings(number: number, address: string, options: readonly string[] = []): boolean {
  const argv = ['netns', 'exec', machine(number), 'ping', '-c1', '-W0.4', ...options, address];
  return spawnSync('ip', argv).status === 0;
}

/** Pings for a second; then says how many there were. */
export function flood(number: number, address: string): () => Promise<{ sent: number; received: number }> {
  const argv = ['netns', 'exec', machine(number), 'ping', '-q', '-i0.005', '-c240', '-W1', address];
  const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'ignore'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk));
  const ended = new Promise((resolve) => child.on('close', resolve));
  return async () => {
    await ended;
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(text) ?? [];
    return { sent: Number(sent), received: Number(received) };
  };
}

/** Sends each frame as it is: of the packet socket's own, nothing is added. */
const SEND = `
  socket(my $s, 17, 3, 0) or die $!;
  my $index = do { open my $f, '<', '/sys/class/net/eth0/ifindex' or die; <$f> };
  for (@ARGV) { send($s, pack('H*', $_), 0, pack('S n i S C C a8', 17, 0, $index, 0, 0, 0, '')) or die $!; }`;

export function sendFrames(number: number, frames: readonly string[]): void {
  const run = spawnSync('ip', ['netns', 'exec', machine(number), 'perl', '-e', SEND, ...frames], {
    encoding: 'utf8',
  });
  assert.equal(run.status, 0, run.stderr);
}

/** Writes each frame that comes in, a line each. */
const HEAR = `
  socket(my $s, 17, 3, 0x0300) or die $!;
  $| = 1; print "ready\\n";
  while (1) { recv($s, my $frame, 2048, 0); print unpack('H*', $frame), "\\n"; }`;

/** The frames that a machine hears. */
export class Ear {
  readonly #file: string;
  readonly #end: () => void;

  private constructor(file: string, end: () => void) {
    this.#file = file;
    this.#end = end;
  }

  static async at(number: number): Promise<Ear> {
    const directory = mkdtempSync(join(tmpdir(), 'dtn-ear-'));
    const file = join(directory, 'frames');
    const argv = ['netns', 'exec', machine(number), 'perl', '-e', HEAR];
    const child = spawn('ip', argv, { stdio: ['ignore', openSync(file, 'w'), 'inherit'] });
    const ear = new Ear(file, () => {
      child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    });
    await until('an ear listens', () => ear.#lines().includes('ready'));
    return ear;
  }

  #lines(): string[] {
    return readFileSync(this.#file, 'utf8').split('\n');
  }

  heard(hex: string): boolean {
    return this.#lines().some((line) => line.includes(hex));
  }

  end(): void {
    this.#end();
  }
}

export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = realClock.now() + 30_000;
  while (!(await holds())) {
    assert.ok(realClock.now() < deadline, `never came true: ${what}`);
    await sleep(realClock, 10);
  }
}

export class StageHost {
  readonly name: string;
  readonly world: TestWorld;
  readonly host: Host;
  agent: RoleAgent;

  constructor(t: TestContext, number: number) {
    this.name = `dtn-h${number}`;
    const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-fw-'));
    t.after(() => rmSync(stateDirectory, { recursive: true, force: true }));
    this.world = new TestWorld(this.name);
    const enter = ['nsenter', `--net=/run/netns/${this.name}`, '--'];
    this.host = createLinuxHost({ stateDirectory, clock: realClock, enter });
    this.agent = this.#born();
  }

  #born(): RoleAgent {
    const { host, world, name } = this;
    const tunnelIp = `192.0.2.${name.slice(-1)}`;
    return createL2Agent({ host, world, hostName: name, tunnelIp, bridgeMappings: new Map() });
  }

  /** A later life of the agent, that knows nothing but the mirror. */
  async beBornAgain(): Promise<void> {
    this.agent = this.#born();
    await this.agent.observeAll();
    await this.converge();
  }

  /** What another hand did is told. */
  hearOfLinks(): void {
    void [...this.agent.keysOfHostEvent({ type: 'overflow' })];
  }

  /** Everything in the mirror may have changed; nothing may fall short. */
  async converge(key = KEY): Promise<void> {
    void [...this.agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
    assert.deepEqual((await this.agent.reconcile(key, NEVER)).shortfalls, []);
  }
}

/** `port_security_enabled: undefined`: it has none. */
type PortFields = Parameters<typeof guardedPort>[2];

export interface Stage {
  readonly hosts: readonly [StageHost, StageHost];
  readonly talkers: ReadonlyMap<number, Talker>;
  converge(): Promise<void>;
}

/** `machines`: by number, on which host. */
export async function makeStage(
  t: TestContext,
  machines: Readonly<Record<number, 1 | 2>>,
  port: (number: number) => PortFields,
): Promise<Stage> {
  sh(`
    for n in 1 2; do ip netns add dtn-h$n; ip -n dtn-h$n link set lo up; done
    ip link add tun0 netns dtn-h1 type veth peer name tun0 netns dtn-h2
    for n in 1 2; do
      ip -n dtn-h$n address add 192.0.2.$n/24 dev tun0
      ip -n dtn-h$n link set tun0 up
      # As where nobody asks for all bridges to be filtered.
      ip netns exec dtn-h$n sh -c 'for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 > $f; done'
    done`);
  t.after(() => sh('for n in $(ls /run/netns); do ip netns delete $n; done'));
  const hosts = [new StageHost(t, 1), new StageHost(t, 2)] as const;
  for (const { world } of hosts)
    world.putNetwork(networkBody(NETWORK), [
      endpoint('dtn-h1', '192.0.2.1'),
      endpoint('dtn-h2', '192.0.2.2'),
    ]);
  const numbers = Object.entries(machines).map(([number, at]) => [Number(number), at] as const);
  for (const [number, at] of numbers) {
    hosts[at - 1]!.world.putPort(guardedPort(number, NETWORK, port(number)));
    plug(number, at);
  }
  const talkers = new Map(
    await Promise.all(numbers.map(async ([number]) => [number, await Talker.in(machine(number))] as const)),
  );
  t.after(() => {
    for (const talker of talkers.values()) talker.end();
  });
  return {
    hosts,
    talkers,
    converge: async () => void (await Promise.all(hosts.map((host) => host.converge()))),
  };
}

/** A machine's link on its host, as a hypervisor would make it. */
export function plug(number: number, at: 1 | 2): void {
  const name = machine(number);
  sh(`
    ip netns add ${name}; ip -n ${name} link set lo up
    ip link add ${tapOf(number)} netns dtn-h${at} type veth peer name eth0 netns ${name}
    ip netns exec ${name} sh -c 'echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad'
    ip -n ${name} link set eth0 mtu 1450 address ${mac(number)} up
    ip -n ${name} address add 10.0.0.${number}/24 dev eth0
    ip -n ${name} address add fd00::${number}/64 dev eth0 nodad`);
}
