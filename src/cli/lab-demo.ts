/** `deuteron lab demo`, which is `npm start`: from nothing to a ping across hosts, then yours to try. */
import { parseArgs } from 'node:util';
import { Lab } from '../lab/lab.ts';
import { type Machine, makeMachine, startDhcpClient, waitForLease, waitForPing } from '../lab/machine.ts';
import { identityOf } from '../lab/processes.ts';
import { tailOfLog } from '../lab/services.ts';
import { until } from '../lab/until.ts';
import { hostsOf } from '../lab/layout.ts';
import { realClock, sleep } from '../lib/clock.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED } from './command.ts';
import { callLabApi, LAB_HELP, LAB_OPTIONS, labId, labWords, readNumber, takeNoMore } from './lab-options.ts';
import { clientEnvironment, DEFAULT_API_PORT, sayPort, sayWhatIsMissing, timeline } from './lab-up.ts';

const USAGE = `usage: deuteron lab demo [--once] [OPTION...]        (npm start)

A server, three hosts, a network, machines on two of the hosts with real DHCP clients, and a ping between them. Stays up
until Ctrl-C, for the openstack client and for lab cut, kill, pause; then everything is removed.

  --once             end after the ping
  --hosts N          emulated hosts, at least 2 [3]
  --port PORT        the API on 127.0.0.1; another is taken if this one is in use [9696]
${LAB_HELP}

Exit codes: 0 the ping was answered, 1 it was not, 2 wrong usage.`;

const STEP_TIMEOUT_MS = 60_000;
const CIDR = '10.20.0.0/24';

type Report = (progress: string) => void;

/** Network, subnet, and a port on each of two hosts. */
async function makeDemoNetwork(lab: Lab): Promise<{ mtu: number; machines: Machine[] }> {
  const { network } = await lab.api('POST', '/v2.0/networks', { network: { name: 'demo' } });
  await lab.api('POST', '/v2.0/subnets', {
    subnet: { name: 'demo', network_id: network.id, ip_version: 4, cidr: CIDR },
  });
  const machines = [];
  for (const host of ['h1', 'h2']) {
    const name = `vm${host.slice(1)}`;
    const body = { port: { name, network_id: network.id, 'binding:host_id': host } };
    const { port } = await lab.api('POST', '/v2.0/ports', body);
    machines.push({ name, host: lab.node(host), port });
  }
  return { mtu: network.mtu, machines };
}

/** Runs the story that the demo tells; gives the first machine's address. Throws at the first step that does not come. */
async function tell(lab: Lab, report: Report, signal: AbortSignal): Promise<string> {
  const wait = { timeoutMs: STEP_TIMEOUT_MS, signal };
  const { mtu, machines } = await makeDemoNetwork(lab);
  const [one, two] = machines as [Machine, Machine];
  report(`network demo (${CIDR}) with ports vm1 on h1 and vm2 on h2`);
  await Promise.all(machines.map((machine) => makeMachine(lab.place, machine, mtu)));
  await Promise.all(machines.map((machine) => startDhcpClient(lab.place, machine)));
  report('machines vm1 and vm2 are plugged in and ask for their addresses');
  const leases = await Promise.all(machines.map((machine) => waitForLease(lab.place, machine, wait)));
  for (const [at, lease] of leases.entries()) {
    const { port, name } = machines[at]!;
    const { fixed_ips } = (await lab.api('GET', `/v2.0/ports/${port.id}`)).port;
    if (fixed_ips[0]?.ip_address !== lease.ip)
      throw new Error(`${name} was given ${lease.ip}, but its port has ${fixed_ips[0]?.ip_address}`);
    report(`${name} has ${lease.ip}/${lease.mask} by DHCP, MTU ${lease.mtu}`);
  }
  const roundTripMs = await waitForPing(lab.place, one, { address: leases[1]!.ip, ...wait });
  report(`vm1 on h1 reaches vm2 on h2: ping answered in ${roundTripMs} ms`);
  for (const { name, port } of [one, two]) {
    await until(realClock, { what: `port ${name} is ACTIVE`, ...wait }, async () => {
      return (await lab.api('GET', `/v2.0/ports/${port.id}`)).port.status === 'ACTIVE';
    });
  }
  report('both ports are ACTIVE');
  return leases[0]!.ip;
}

function whatToTry(lab: Lab, parts: { apiPort: number; words: string; address: string }): string {
  const { apiPort, words, address } = parts;
  const serving = hostsOf(lab.layout).find((host) => lab.find(host.name, 'dnsmasq').length > 0)?.name ?? 'h1';
  const verb = (name: string) => `bin/deuteron lab ${name}${words}`;
  const environment = clientEnvironment(apiPort);
  return `
Try, in another terminal (python3-openstackclient):

  ${environment}
  openstack network agent list
  openstack port list --long
  openstack port create --network demo --host h3 vm3

Give that port a machine on host 3, let it ask for its address, and reach vm1 from it:

  ${verb('exec')} h3 deuteron port plug vm3 --netns vm3
  ${verb('exec')} h3 ip netns exec vm3 udhcpc -f -q -i eth0 -s $PWD/src/lab/udhcpc.sh
  ${verb('exec')} h3 ip netns exec vm3 ping -c 3 ${address}

Break something, and look:

  ${verb('kill')} ${serving} dnsmasq -9          # the agent starts it again at once
  ${verb('kill')} ctl1 server -9        # DHCP goes on; ${verb('restart')} ctl1
  ${verb('cut')} h2 tunnel --loss 30    # ${verb('heal')}
  bin/deuteron status --endpoint http://127.0.0.1:${apiPort}

Ctrl-C ends the lab and removes all of it.
`;
}

/** Until the user has had enough. */
async function untilAborted(signal: AbortSignal): Promise<void> {
  // A signal alone does not keep the process; a timer does.
  while (!signal.aborted) await sleep(realClock, 3_600_000, signal);
}

/** What a machine and the agents say of themselves, for the one who finds out why a step did not come. */
async function describeTrouble(lab: Lab): Promise<string> {
  const { convergence } = await lab
    .api('GET', '/v2.0/deuteron/convergence')
    .catch(() => ({ convergence: null }));
  const ended = lab.processes().filter((one) => !one.running);
  return [
    ...ended.map(({ record }) => {
      return `${record.name} has ended:\n${tailOfLog(lab.layout.stateDirectory, record.name)}`;
    }),
    `pending: ${JSON.stringify(convergence)}`,
  ].join('\n');
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...LAB_OPTIONS,
      once: { type: 'boolean', default: false },
      hosts: { type: 'string', default: '3' },
      port: { type: 'string', default: DEFAULT_API_PORT },
    },
  });
  takeNoMore(positionals);
  const hosts = readNumber(values.hosts, '--hosts', { min: 2, max: 100 });
  const apiPort = readNumber(values.port, '--port', { min: 0, max: 65_535 });
  if (await sayWhatIsMissing(io)) return EXIT_FAILED;
  const report = timeline(realClock, io.out);
  report(`a lab with ${hosts} hosts and a server begins`);
  const lab = await Lab.up({
    clock: realClock,
    callApi: callLabApi,
    id: labId(values),
    hosts,
    servers: 1,
    stateDirectory: values['state-directory'],
    apiPort,
    owner: identityOf(process.pid) ?? null,
    report,
    signal: io.signal,
  });
  try {
    const address = await tell(lab, report, io.signal);
    const got = lab.state().apiPort;
    if (!values.once) {
      sayPort(io, values.port, got);
      io.out(whatToTry(lab, { apiPort: got ?? apiPort, words: labWords(values), address }));
      await untilAborted(io.signal);
    }
    return EXIT_DONE;
  } catch (error) {
    if (!io.signal.aborted) io.err(`${await describeTrouble(lab)}\n`);
    throw error;
  } finally {
    report('the lab is being removed');
    await lab.down();
    report('nothing of it is left');
  }
}

export const demoCommand: Command = {
  name: 'lab demo',
  summary: 'from nothing to a ping across hosts, then yours to try',
  usage: USAGE,
  run,
};
