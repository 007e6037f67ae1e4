import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { type Machine, runInMachine } from '../../../src/lab/machine.ts';
import type { Received } from '../../support/throughput.ts';
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

/** From one machine to the other, measured by what arrives. */
async function measure(
  { lab }: Stage,
  [from, to]: readonly [End, End],
  how: { readonly sends: 'send' | 'datagrams'; readonly receives: 'listen' | 'count' },
): Promise<Received> {
  const program = (...args: string[]) => [process.execPath, PROGRAM, ...args];
  const arrives = runInMachine(lab.place, to.machine, program(`--${how.receives}`, '7000'));
  const goes = runInMachine(lab.place, from.machine, program(`--${how.sends}`, `${addressOf(to.port)}:7000`));
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

function isNear(received: Received, limit: number): void {
  const rate = kbps(received);
  assert.ok(rate > limit * 0.5 && rate < limit * 1.1, `${rate} kbit/s at a limit of ${limit}`);
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
    const give = async (what: 'port' | 'network', id: string, qos_policy_id: string | null) => {
      await lab.api('PUT', `/v2.0/${what}s/${id}`, { [what]: { qos_policy_id } });
      await stage.settle();
    };

    const free = kbps(await measure(stage, [one, other], tcp));
    note(`without a policy: ${free} kbit/s`);
    assert.ok(free > 4 * LIMIT_KBPS, `${free} kbit/s`);

    const sent = await policy(stage, { bandwidth_limit: { max_kbps: LIMIT_KBPS } });
    await give('port', one.port.id, sent);
    const limited = await measure(stage, [one, other], tcp);
    note(`${LIMIT_KBPS} kbit/s of what the port sends: ${kbps(limited)} kbit/s`);
    isNear(limited, LIMIT_KBPS);
    const back = kbps(await measure(stage, [other, one], tcp));
    note(`the other way: ${back} kbit/s`);
    assert.ok(back > 2 * LIMIT_KBPS, `${back} kbit/s`);

    const { rules } = (await lab.api('GET', `/v2.0/qos/policies/${sent}`)).policy;
    const bandwidth_limit_rule = { max_kbps: LIMIT_KBPS / 2, direction: 'ingress' };
    const url = `/v2.0/qos/policies/${sent}/bandwidth_limit_rules/${rules[0].id}`;
    await lab.api('PUT', url, { bandwidth_limit_rule });
    await give('port', one.port.id, null);
    await give('network', network.id, sent);
    const got = await measure(stage, [one, other], tcp);
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
    const packets = await measure(stage, [one, other], udp);
    const { stdout } = await runInMachine(lab.place, other.machine, ['nft', 'list', 'table', 'ip', 'seen']);
    const seen = Number(/counter packets (\d+)/.exec(stdout)?.[1]);
    note(`of 3,000 packets a second, 1,000 allowed: ${packets.packets} in 3 s, ${seen} marked`);
    assert.ok(packets.packets > 2500 && packets.packets < 4200, `${packets.packets} packets`);
    assert.ok(seen >= packets.packets, stdout);

    await give('port', one.port.id, null);
    const after = kbps(await measure(stage, [one, other], tcp));
    note(`without a policy again: ${after} kbit/s`);
    assert.ok(after > 4 * LIMIT_KBPS, `${after} kbit/s`);
    for (const id of [sent, marked]) await lab.api('DELETE', `/v2.0/qos/policies/${id}`);
  },
};
