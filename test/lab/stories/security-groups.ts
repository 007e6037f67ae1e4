import assert from 'node:assert/strict';
import { realClock } from '../../../src/lib/clock.ts';
import { type Machine, runInMachine } from '../../../src/lab/machine.ts';
import { addressOf, type Network, type Stage } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

/** How much a host has beside what is looked at, and how often is looked. */
const SIZES = {
  short: { ports: 20, groups: 5, rounds: 4 },
  long: { ports: 1_000, groups: 50, rounds: 20 },
} as const;
const AT_ONCE = 50;

/** A rule holds as soon as it is made, wherever its machines are, and an agent that dies opens and loses nothing. */
export const securityGroups: Story = {
  name: 'security-groups',
  summary:
    'rules hold and go at once, beside many ports and groups; agents that are killed open and lose nothing',
  hosts: 2,
  servers: 1,
  tell: tellSecurityGroups,
};

const make = async ({ lab }: Stage, what: string, path: string, body: object) =>
  (await lab.api('POST', `/v2.0/${path}`, { [what]: body }))[what] as { id: string };

const makeGroup = (stage: Stage, name: string) => make(stage, 'security_group', 'security-groups', { name });
const makeRule = (stage: Stage, group: { id: string }, rule: object) =>
  make(stage, 'security_group_rule', 'security-group-rules', {
    ...{ security_group_id: group.id, direction: 'ingress' },
    ...rule,
  });

/** Ports of other machines on the host, spread over groups whose members reach one another. */
async function crowd(
  stage: Stage,
  network: Network,
  size: { ports: number; groups: number },
): Promise<string[]> {
  const groups: { id: string }[] = [];
  for (let at = 0; at < size.groups; at += 1) {
    const group = await makeGroup(stage, `crowd${at}`);
    await makeRule(stage, group, { protocol: 'tcp', port_range_min: 22, port_range_max: 22 });
    await makeRule(stage, group, { remote_group_id: group.id });
    groups.push(group);
  }
  for (let at = 0; at < size.ports; at += AT_ONCE) {
    const count = Math.min(AT_ONCE, size.ports - at);
    const ports = Array.from({ length: count }, (_, index) => ({
      network_id: network.id,
      'binding:host_id': 'h1',
      port_security_enabled: true,
      security_groups: [groups[(at + index) % groups.length]?.id],
    }));
    await stage.lab.api('POST', '/v2.0/ports', { ports });
  }
  return groups.map(({ id }) => id);
}

async function pingsAlong(stage: Stage, from: Machine, address: string, count: number): Promise<number> {
  const argv = ['ping', '-n', '-q', '-i', '0.005', '-W', '1', '-c', `${count}`, address];
  const { stdout } = await runInMachine(stage.lab.place, from, argv);
  return Number(/(\d+) received/.exec(stdout)?.[1]);
}

const median = (times: readonly number[]) =>
  [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
const told = (times: readonly number[]) =>
  `p50 ${Math.round(median(times))} ms, at most ${Math.round(Math.max(...times))} ms`;

async function tellSecurityGroups({ stage, note, form }: Scene): Promise<void> {
  const { lab } = stage;
  const size = SIZES[form];
  const network = await stage.network({ cidr: '10.31.0.0/20' });
  const others = await crowd(stage, network, size);
  const [server, client, stranger] = [
    await makeGroup(stage, 'server'),
    await makeGroup(stage, 'client'),
    await makeGroup(stage, 'stranger'),
  ];
  const guarded = (group: { id: string }) => ({ port_security_enabled: true, security_groups: [group.id] });
  const served = await stage.machineThatAsks(network, 'h1', guarded(server));
  const asking = await stage.machineThatAsks(network, 'h2', guarded(client));
  const other = await stage.machineThatAsks(network, 'h1', guarded(stranger));
  for (const { machine, port } of [served, asking, other]) {
    await stage.lease(machine);
    await stage.untilActive(port);
  }
  const address = addressOf(served.port);
  note(`${size.ports} ports in ${size.groups} groups on h1, and three machines with leases`);
  assert.ok(!(await stage.pingsOnce(asking.machine, address)), 'no rule lets it in');

  const [posts, comes, goes]: number[][] & [number[], number[], number[]] = [[], [], []];
  for (let round = 0; round < size.rounds; round += 1) {
    // It ends with the first answer.
    const argv = ['ping', '-n', '-q', '-i', '0.002', '-w', '20', '-c', '1', address];
    const answered = runInMachine(lab.place, asking.machine, argv).then(() => realClock.now());
    await stage.pingsOnce(asking.machine, addressOf(asking.port));
    const from = realClock.now();
    const rule = await makeRule(stage, server, { protocol: 'icmp', remote_group_id: client.id });
    posts.push(realClock.now() - from);
    comes.push((await answered) - from);
    const until = realClock.now();
    await lab.api('DELETE', `/v2.0/security-group-rules/${rule.id}`);
    const gone = () => runInMachine(lab.place, asking.machine, ['ping', '-c1', '-W0.05', address]);
    await stage.until('it is let in no more', async () => (await gone()).code !== 0);
    goes.push(realClock.now() - until - 50);
  }
  note(
    `from the rule's POST to the first answer on another host: ${told(comes)} (the POST alone: ${told(posts)})`,
  );
  note(`from its DELETE to silence: ${told(goes)}`);

  await makeRule(stage, server, { protocol: 'icmp', remote_group_id: client.id });
  await stage.until('it is let in', () => stage.pingsOnce(asking.machine, address));
  const count = 400;
  const [passing, stopped] = [
    pingsAlong(stage, asking.machine, address, count),
    pingsAlong(stage, other.machine, address, count),
  ];
  for (const host of ['h1', 'h2']) {
    await lab.kill(host, 'agent');
    await lab.start(host);
  }
  await stage.settle();
  assert.deepEqual([await passing, await stopped], [count, 0]);
  note(`agents killed and started again: none of ${count} pings lost, none of a stranger's let in`);

  for (const { machine, port } of [served, asking, other]) {
    await stage.remove(machine);
    await lab.api('DELETE', `/v2.0/ports/${port.id}`);
  }
  const { ports } = await lab.api(
    'GET',
    `/v2.0/ports?network_id=${network.id}&fields=id&fields=device_owner`,
  );
  for (const port of ports as { id: string; device_owner: string }[])
    if (port.device_owner === '') await lab.api('DELETE', `/v2.0/ports/${port.id}`);
  for (const id of [...others, server.id, client.id, stranger.id])
    await lab.api('DELETE', `/v2.0/security-groups/${id}`);
}
