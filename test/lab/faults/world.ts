/** What can be seen of hosts: all that an agent makes there, and what nobody wants there. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { hostsOf, serversOf } from '../../../src/lab/layout.ts';
import { type Identity, isStopped } from '../../../src/lab/processes.ts';
import type { Network, Stage } from '../stage.ts';
import type { Trouble } from './fault.ts';
import { hostsServing } from './subject.ts';

/** Links with MAC, master and state; flood entries; rules; namespaces with their addresses. */
const LOOK = `
ip -o link
bridge fdb show | grep ^00:00:00:00:00:00
nft list ruleset
for n in $(ip netns list | cut -d' ' -f1 | grep ^qdhcp-); do
  echo "namespace $n"
  ip -n $n -o addr
  ip -n $n route
done
:`;

/** Numbers that the kernel gives anew each time, and what of it comes and goes by itself. */
const PASSING =
  /^\d+: | qlen \d+| link-netnsid \d+| link-netns \S+|@if\d+| state \w+| (packets|bytes) \d+| tentative| comment "[^"]*"|<[^>]*>/g;

/** The host as its agent has made it: text that is the same whenever the host is. */
export async function fingerprint(stage: Stage, host: string): Promise<string> {
  const seen = await stage.lab.run(host, ['sh', '-c', LOOK]);
  assert.equal(seen.code, 0, seen.stderr);
  const sections: string[][] = [[]];
  for (const line of seen.stdout.split('\n')) {
    if (line.startsWith('namespace ')) sections.push([]);
    const isUp = /<[^>]*\bUP\b[^>]*>/.test(line) ? ' up' : '';
    const steady = line.trim().replaceAll(PASSING, '').replaceAll(/\s+/g, ' ');
    // A veth's own MAC is made up each time; a bridge's is chosen.
    const named = /^(tap|vxlan)/.test(steady) ? steady.replace(/link\/ether \S+/, '') : steady;
    sections.at(-1)!.push(named + isUp);
  }
  return sections
    .map((lines) => lines.filter((line) => line.trim() !== '').sort())
    .sort((a, b) => (a.join() < b.join() ? -1 : 1))
    .flat()
    .join('\n');
}

/** Lines that only one of two fingerprints has, for people. */
export function difference(before: string, after: string): string[] {
  const [had, has] = [before.split('\n'), after.split('\n')];
  return [
    ...had.filter((line) => !has.includes(line)).map((line) => `- ${line}`),
    ...has.filter((line) => !had.includes(line)).map((line) => `+ ${line}`),
  ];
}

/** The network's dnsmasq processes on a host. */
export function dnsmasqOf(stage: Stage, host: string, networkId: string): Identity[] {
  return stage.lab.find(host, 'dnsmasq').filter((one) => commandOf(one).includes(networkId));
}

function commandOf(one: Identity): string {
  try {
    return readFileSync(`/proc/${one.pid}/cmdline`, 'utf8');
  } catch {
    // It has just ended.
    return '';
  }
}

/** Sentences about DHCP that is somewhere where it should not be, or is not where it should be. */
export async function misplaced(stage: Stage, networks: readonly Network[]): Promise<string[]> {
  const wrong: string[] = [];
  const namespaces = new Map<string, string>();
  for (const { name } of hostsOf(stage.lab.layout))
    namespaces.set(name, (await stage.lab.run(name, ['ip', 'netns', 'list'])).stdout);
  for (const network of networks) {
    const wanted = await hostsServing(stage, network.id);
    const found = [...namespaces]
      .filter(
        ([host, listed]) => listed.includes(network.id) || dnsmasqOf(stage, host, network.id).length > 0,
      )
      .map(([host]) => host)
      .sort();
    if (wanted.length === 0) wrong.push(`${network.name} has no DHCP agent`);
    if (wanted.join() !== found.join())
      wrong.push(
        `${network.name} belongs to ${wanted.join() || 'nobody'} and is at ${found.join() || 'none'}`,
      );
    for (const host of wanted) {
      const running = dnsmasqOf(stage, host, network.id);
      if (running.length !== 1 || running.some(isStopped))
        wrong.push(`${network.name} on ${host} has ${running.length} dnsmasq, which must be one that runs`);
    }
  }
  return wrong;
}

/** All hosts, by name. */
export type Picture = ReadonlyMap<string, string>;

export async function takePicture(stage: Stage): Promise<Picture> {
  const hosts = hostsOf(stage.lab.layout).map(({ name }) => name);
  return new Map(
    await Promise.all(hosts.map(async (host) => [host, await fingerprint(stage, host)] as const)),
  );
}

/** What is not as it should be on any host; with a picture: what is not as it was then. */
export async function whatIsWrong(trouble: Trouble, before?: Picture): Promise<string[]> {
  const { stage, subject, others } = trouble;
  if (before) {
    const now = await takePicture(stage);
    const changed = [...before].flatMap(([host, was]) =>
      difference(was, now.get(host) ?? '').map((line) => `${host}: ${line}`),
    );
    if (changed.length > 0) return changed;
  }
  return misplaced(stage, [subject.network, ...others]);
}

/** Whether every server says that all agents live and have realised everything; of lost hosts nothing is asked. */
export async function isConverged(stage: Stage, parts: { hostIsLost: boolean }): Promise<boolean> {
  for (const server of serversOf(stage.lab.layout)) {
    const { convergence } = await stage.lab.api('GET', '/v2.0/deuteron/convergence', undefined, server.name);
    const agents = convergence.agents as { host: string; role: string; alive: boolean; state: string }[];
    const bad = agents.filter((agent) => (agent.alive ? agent.state !== 'converged' : !parts.hostIsLost));
    if (bad.length > 0) {
      const told = bad.map((one) => `${one.role} of ${one.host} is ${one.alive ? one.state : 'not alive'}`);
      throw new Error(`${server.name}: ${told.join(', ')}`);
    }
  }
  return true;
}
