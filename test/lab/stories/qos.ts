import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { type Machine, runInMachine } from '../../../src/lab/machine.ts';
import type { ProgramResult } from '../../../src/lab/program.ts';
import type { Received } from '../../support/throughput.ts';
import { answersOutside, externalNetwork, floatingIp, router } from '../routers.ts';
import { addressOf, type Port, type Stage } from '../stage.ts';
import type { Story } from '../story.ts';

const PROGRAM = fileURLToPath(new URL('../../support/throughput.ts', import.meta.url));
const LIMIT_KBPS = 8000;
/** CS3 of one machine's packets is seen by the other. */
const MARK = 24;

interface End {
  readonly machine: Machine;
  readonly port: Port;
}

/** Where a program runs, and the address by which the other reaches it. */
interface Place {
  run(argv: readonly string[]): Promise<ProgramResult>;
  readonly address: string;
}

const placeOf = ({ lab }: Stage, { machine, port }: End, address = addressOf(port)): Place => ({
  run: (argv) => runInMachine(lab.place, machine, argv),
  address,
});

/** From one place to the other, measured by what arrives. */
async function measure(
  [from, to]: readonly [Place, Place],
  how: { readonly sends: 'send' | 'datagrams'; readonly receives: 'listen' | 'count' },
): Promise<Received> {
  const program = (...args: string[]) => [process.execPath, PROGRAM, ...args];
  const arrives = to.run(program(`--${how.receives}`, '7000'));
  const goes = from.run(program(`--${how.sends}`, `${to.address}:7000`));
  const { stdout, stderr } = await arrives;
  await goes;
  assert.notEqual(stdout, '', stderr);
  return JSON.parse(stdout) as Received;
}

const tcp = { sends: 'send', receives: 'listen' } as const;
const udp = { sends: 'datagrams', receives: 'count' } as const;

const kbps = ({ bytes, seconds }: Received): number => Math.round((bytes * 8) / 1000 / seconds);

async function policy({ lab }: Stage, rules: Readonly<Record<string, object>>): Promise<string> {
  const { id } = (await lab.api('POST', '/v2.0/qos/policies', { policy: { name: 'gold' } })).policy;
  for (const [type, rule] of Object.entries(rules))
    await lab.api('POST', `/v2.0/qos/policies/${id}/${type}_rules`, { [`${type}_rule`]: rule });
  return id;
}

/** Less where a sender is slowed down too much, more where what waited on a busy machine is read at once. */
function isNear(received: Received, limit: number): void {
  const rate = kbps(received);
  assert.ok(rate > limit * 0.5 && rate < limit * 1.25, `${rate} kbit/s at a limit of ${limit}`);
}

/** QoS policies of ports and networks, by what gets from one machine to another. */
export const qosStory: Story = {
  name: 'qos',
  summary: 'limits of bandwidth and packets hold both ways, marks are seen, and go with their policies',
  hosts: 3,
  servers: 1,
  async tell({ stage, note }) {
    const { lab } = stage;
    const network = await stage.network();
    const one: End = await stage.machineThatAsks(network, 'h1');
    const other: End = await stage.machineThatAsks(network, 'h2');
    await stage.lease(one.machine);
    await stage.lease(other.machine);
    await stage.ping(one.machine, addressOf(other.port));
    const [here, there] = [placeOf(stage, one), placeOf(stage, other)];
    const give = async (what: 'port' | 'network', id: string, qos_policy_id: string | null) => {
      await lab.api('PUT', `/v2.0/${what}s/${id}`, { [what]: { qos_policy_id } });
      await stage.settle();
    };

    const free = kbps(await measure([here, there], tcp));
    note(`without a policy: ${free} kbit/s`);
    assert.ok(free > 4 * LIMIT_KBPS, `${free} kbit/s`);

    const sent = await policy(stage, { bandwidth_limit: { max_kbps: LIMIT_KBPS } });
    await give('port', one.port.id, sent);
    const limited = await measure([here, there], tcp);
    note(`${LIMIT_KBPS} kbit/s of what the port sends: ${kbps(limited)} kbit/s`);
    isNear(limited, LIMIT_KBPS);
    const back = kbps(await measure([there, here], tcp));
    note(`the other way: ${back} kbit/s`);
    assert.ok(back > 2 * LIMIT_KBPS, `${back} kbit/s`);

    const { rules } = (await lab.api('GET', `/v2.0/qos/policies/${sent}`)).policy;
    const bandwidth_limit_rule = { max_kbps: LIMIT_KBPS / 2, direction: 'ingress' };
    const url = `/v2.0/qos/policies/${sent}/bandwidth_limit_rules/${rules[0].id}`;
    await lab.api('PUT', url, { bandwidth_limit_rule });
    await give('port', one.port.id, null);
    await give('network', network.id, sent);
    const got = await measure([here, there], tcp);
    note(`the rule changed to ${LIMIT_KBPS / 2} of what ports of the network get: ${kbps(got)} kbit/s`);
    isNear(got, LIMIT_KBPS / 2);
    await give('network', network.id, null);

    const marked = await policy(stage, {
      dscp_marking: { dscp_mark: MARK },
      packet_rate_limit: { max_kpps: 1 },
    });
    await give('port', one.port.id, marked);
    const table = `table ip seen { chain in { type filter hook input priority 0; ip dscp ${MARK} udp dport 7000 counter; }; }`;
    await runInMachine(lab.place, other.machine, ['nft', table]);
    const packets = await measure([here, there], udp);
    const { stdout } = await runInMachine(lab.place, other.machine, ['nft', 'list', 'table', 'ip', 'seen']);
    const seen = Number(/counter packets (\d+)/.exec(stdout)?.[1]);
    note(`of 3,000 packets a second, 1,000 allowed: ${packets.packets} in 3 s, ${seen} marked`);
    assert.ok(packets.packets > 2500 && packets.packets < 4200, `${packets.packets} packets`);
    assert.ok(seen >= packets.packets, stdout);

    await give('port', one.port.id, null);
    const after = kbps(await measure([here, there], tcp));
    note(`without a policy again: ${after} kbit/s`);
    assert.ok(after > 4 * LIMIT_KBPS, `${after} kbit/s`);
    for (const id of [sent, marked]) await lab.api('DELETE', `/v2.0/qos/policies/${id}`);
  },
};

/** The same of a floating IP, and of what leaves under the gateway's own address. */
export const qosRouterStory: Story = {
  name: 'qos-router',
  summary: 'a floating IP and a gateway are held to their limits, both ways, and a floating IP to no other’s',
  hosts: 3,
  servers: 1,
  async tell({ stage, note }) {
    const { lab } = stage;
    const external = await externalNetwork(stage);
    const network = await stage.network();
    const end: End = await stage.machineThatAsks(network, 'h1');
    await stage.lease(end.machine);
    const routerId = await router(stage, external, [network]);
    await stage.ping(end.machine, '203.0.113.1');
    const outside: Place = { run: (argv) => lab.runOutside(argv), address: '203.0.113.1' };

    const slow = await policy(stage, { bandwidth_limit: { max_kbps: LIMIT_KBPS / 2 } });
    const external_gateway_info = { network_id: external.id, qos_policy_id: slow };
    await lab.api('PUT', `/v2.0/routers/${routerId}`, { router: { external_gateway_info } });
    await stage.settle();
    const shared = await measure([placeOf(stage, end), outside], tcp);
    note(`${LIMIT_KBPS / 2} kbit/s of what leaves under the gateway’s address: ${kbps(shared)} kbit/s`);
    isNear(shared, LIMIT_KBPS / 2);

    const floating = await floatingIp(stage, external, end.port.id);
    await stage.until('the floating IP answers', () => answersOutside(stage, floating.address));
    const machine = placeOf(stage, end, floating.address);
    const free = kbps(await measure([machine, outside], tcp));
    note(`by a floating IP, which has no policy: ${free} kbit/s`);
    assert.ok(free > 4 * LIMIT_KBPS, `${free} kbit/s`);

    const both = await policy(stage, { bandwidth_limit: { max_kbps: LIMIT_KBPS } });
    const bandwidth_limit_rule = { max_kbps: LIMIT_KBPS / 2, direction: 'ingress' };
    await lab.api('POST', `/v2.0/qos/policies/${both}/bandwidth_limit_rules`, { bandwidth_limit_rule });
    await lab.api('PUT', `/v2.0/floatingips/${floating.id}`, { floatingip: { qos_policy_id: both } });
    await stage.settle();
    const sent = await measure([machine, outside], tcp);
    const got = await measure([outside, machine], tcp);
    note(`limits of ${LIMIT_KBPS} out and ${LIMIT_KBPS / 2} in: ${kbps(sent)} and ${kbps(got)} kbit/s`);
    isNear(sent, LIMIT_KBPS);
    isNear(got, LIMIT_KBPS / 2);
    await lab.api('PUT', `/v2.0/floatingips/${floating.id}`, { floatingip: { qos_policy_id: null } });
    await lab.api('PUT', `/v2.0/routers/${routerId}`, {
      router: { external_gateway_info: { network_id: external.id, qos_policy_id: null } },
    });
    await stage.settle();
    for (const id of [slow, both]) await lab.api('DELETE', `/v2.0/qos/policies/${id}`);
  },
};
