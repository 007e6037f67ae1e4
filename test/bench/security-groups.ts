/** How long a host with 1,000 ports in 50 security groups takes for one change of a group, and what its packets pay. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createL2Agent } from '../../src/agents/l2/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock } from '../../src/lib/clock.ts';
import { endpoint, id, networkBody, TestWorld } from '../support/network-objects.ts';
import { guardedPort, outward, putGroup, putMembers, rule } from '../support/security-objects.ts';
import { runInside } from './inside.ts';
import type { Bench } from './main.ts';
import { type Figures, quantile, round } from './measure.ts';

const PORTS = 1_000;
const GROUPS = 50;
const ROUNDS = 40;
const RULES = 6;
const NETWORK = id(0xaa);
const KEY = `network/${NETWORK}`;
const NEVER = new AbortController().signal;
const groupOf = (number: number) => id(0xa000 + (number % GROUPS));

export const securityGroupsBench: Bench = {
  summary: `an agent's changes of security groups on a host with ${PORTS} ports in ${GROUPS} groups; what packets pay`,
  run: ({ args, say }) => runInside<Figures>(new URL(import.meta.url), args, say),
};

function sh(script: string): string {
  const run = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
  if (run.status !== 0) throw new Error(`${script}\n${run.stderr}`);
  return run.stdout;
}

const addressOf = (number: number) => `10.${number >> 8}.${number & 255}.1`;

/** Those of the crowd have no link: what is filtered is filtered by name. */
export function fill(world: TestWorld): void {
  world.putNetwork(networkBody(NETWORK), [endpoint('h1', '192.0.2.1'), endpoint('h2', '192.0.2.2')]);
  for (let group = 0; group < GROUPS; group += 1) rules(world, group, []);
  for (let number = 0; number < PORTS; number += 1) {
    const port = guardedPort(2, NETWORK, { security_groups: [groupOf(number)] });
    world.putPort({
      ...port,
      id: id(0x10_0000 + number),
      mac_address: `fa:16:3e:01:${[number >> 8, number & 255].map((part) => part.toString(16).padStart(2, '0')).join(':')}`,
      fixed_ips: [{ subnet_id: id(0xbb), ip_address: addressOf(number) }],
    });
  }
  for (let group = 0; group < GROUPS; group += 1) members(world, group, []);
  for (const number of [1, 2])
    world.putPort(guardedPort(number, NETWORK, { security_groups: [groupOf(number)] }));
}

export function rules(world: TestWorld, group: number, more: readonly number[]): void {
  const some = Array.from({ length: RULES }, (_, index) =>
    rule(group * 100 + index, { protocol: 'tcp', port_range_min: 100 + index, port_range_max: 100 + index }),
  );
  const remote = rule(group * 100 + 50, { remote_group_id: groupOf(group) });
  const come = more.map((number) => rule(group * 100 + 60 + number, { protocol: 'icmp' }));
  putGroup(world, groupOf(group), [...outward(group * 100 + 90), ...some, remote, ...come]);
}

export function members(world: TestWorld, group: number, more: readonly string[]): void {
  const numbers = Array.from({ length: PORTS }, (_, number) => number).filter((n) => n % GROUPS === group);
  const own = Object.fromEntries(numbers.map((number) => [id(0x10_0000 + number), [addressOf(number)]]));
  putMembers(world, groupOf(group), { ...own, [id(0x77)]: more });
}

/** Ms of each, by the agent: from the mirror's change until the kernel has it. */
async function time(agent: RoleAgent, group: string, change: (round: number) => void): Promise<number[]> {
  const times: number[] = [];
  for (let at = 0; at < ROUNDS; at += 1) {
    change(at);
    const began = performance.now();
    const [key = ''] = [...agent.keysOf({ group, key: group, before: undefined, after: undefined })];
    const { shortfalls } = await agent.reconcile(key, NEVER);
    if (shortfalls.length > 0) throw new Error(shortfalls[0]?.reason);
    times.push(performance.now() - began);
  }
  return times;
}

/** Two machines on the host, `dtn-b1` and `dtn-b2`. */
function plug(): void {
  for (const number of [1, 2])
    sh(`
      ip netns add dtn-b${number}
      ip link add tap0000000${number}-00 type veth peer name eth0 netns dtn-b${number}
      ip -n dtn-b${number} link set eth0 mtu 1450 address fa:16:3e:00:00:0${number} up
      ip -n dtn-b${number} address add 10.0.0.${number}/24 dev eth0`);
}

/** Mean round trip in µs of pings one after another. */
function roundTripUs(): number {
  const out = sh('ip netns exec dtn-b1 ping -q -n -f -c 20000 10.0.0.2');
  return Number(/= [\d.]+\/([\d.]+)\//.exec(out)?.[1]) * 1000;
}

async function measureAll(): Promise<Figures> {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'dtn-sg-'));
  const say = (text: string) => void process.stdout.write(`${text}\n`);
  try {
    sh('for f in /proc/sys/net/bridge/bridge-nf-call-*; do echo 0 > $f; done');
    const host = createLinuxHost({ stateDirectory, clock: realClock });
    const world = new TestWorld('h1');
    fill(world);
    plug();
    const born = () =>
      createL2Agent({ host, world, hostName: 'h1', tunnelIp: '127.0.0.1', bridgeMappings: new Map() });
    let agent = born();
    const since = (began: number) => performance.now() - began;
    let began = performance.now();
    await agent.reconcile(KEY, NEVER);
    const loadMs = since(began);
    agent = born();
    began = performance.now();
    await agent.reconcile(KEY, NEVER);
    const adoptMs = since(began);
    say(`loaded in ${Math.round(loadMs)} ms, adopted in ${Math.round(adoptMs)} ms`);

    const rule = await time(agent, `security-group/${groupOf(3)}`, (at) => rules(world, 3, [at % 2]));
    const member = await time(agent, `members/${groupOf(3)}`, (at) =>
      members(
        world,
        3,
        Array.from({ length: at + 1 }, (_, index) => `10.200.0.${index + 1}`),
      ),
    );
    const leaving = await time(agent, `members/${groupOf(3)}`, (at) =>
      members(
        world,
        3,
        Array.from({ length: ROUNDS - at - 1 }, (_, index) => `10.200.0.${index + 1}`),
      ),
    );
    rules(world, 2, [1]);
    await time(agent, `security-group/${groupOf(2)}`, () => undefined);
    const filteredUs = roundTripUs();
    for (const group of [...world.groups()]) if (group.startsWith('host/')) world.remove(group);
    world.put('host/h1', 'host/h1', { name: 'h1', tunnel_ip: '' });
    for (const number of [1, 2])
      world.putPort(guardedPort(number, NETWORK, { port_security_enabled: undefined }));
    void [...agent.keysOf({ group: KEY, key: KEY, before: undefined, after: undefined })];
    await agent.reconcile(KEY, NEVER);
    const openUs = roundTripUs();
    return {
      ports: PORTS,
      groups: GROUPS,
      load_ms: round(loadMs),
      adopt_ms: round(adoptMs),
      rule_p50_ms: round(quantile(rule, 0.5), 1),
      rule_p95_ms: round(quantile(rule, 0.95), 1),
      member_joins_p50_ms: round(quantile(member, 0.5), 1),
      member_leaves_p50_ms: round(quantile(leaving, 0.5), 1),
      ping_filtered_us: round(filteredUs, 1),
      ping_open_us: round(openUs, 1),
    };
  } finally {
    rmSync(stateDirectory, { recursive: true, force: true });
  }
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await measureAll())}\n`);
  process.exit(0);
}
