/** Who is where in a trial: a network, the host that serves its DHCP, and machines on the others. */
import { enterNode } from '../../../src/lab/ground.ts';
import { hostsOf } from '../../../src/lab/layout.ts';
import type { Machine } from '../../../src/lab/machine.ts';
import { DhcpPulse } from '../../support/dhcp-pulse.ts';
import type { Network, Port, Stage } from '../stage.ts';

export interface Seat {
  readonly host: string;
  readonly port: Port;
  machine: Machine;
}

export interface Subject {
  readonly network: Network;
  /** One machine on each host. */
  readonly seats: readonly Seat[];
  /** The host whose DHCP serves the network as the trial begins. */
  server: string;
  /** On another host: asks for its address all the time. */
  asker: Seat;
  /** On yet another host. */
  partner: Seat;
}

/** Between two questions for an address: the grain of what is said about answers. */
export const PULSE_MS = 50;

/** The hosts of the network's DHCP agents, as the API has it. */
export async function hostsServing(stage: Stage, networkId: string): Promise<string[]> {
  const { agents } = await stage.lab.api('GET', `/v2.0/networks/${networkId}/dhcp-agents`);
  return agents.map((agent: { host: string }) => agent.host).sort();
}

/** Id of a host's agent of that role, for `deuteron explain agent`. */
export async function agentId(stage: Stage, host: string, role: 'l2' | 'dhcp'): Promise<string> {
  const { convergence } = await stage.lab.api('GET', '/v2.0/deuteron/convergence');
  const found = convergence.agents.find(
    (agent: { host: string; role: string }) => agent.host === host && agent.role === role,
  );
  if (!found) throw new Error(`no ${role} agent of ${host}`);
  return found.id;
}

export async function makeSubject(stage: Stage): Promise<Subject> {
  const network = await stage.network();
  const seats = await Promise.all(
    hostsOf(stage.lab.layout).map(async ({ name }): Promise<Seat> => {
      const port = await stage.port(network, name);
      return { host: name, port, machine: await stage.machine(network, port, name) };
    }),
  );
  const subject = { network, seats, server: '', asker: seats[0]!, partner: seats[1]! };
  await stage.until('the network has a DHCP agent', async () => {
    await seat(stage, subject);
    return true;
  });
  for (const { port } of seats) await stage.untilActive(port);
  return subject;
}

/** Says anew who is who: the network may have moved since. */
export async function seat(stage: Stage, subject: Subject): Promise<void> {
  const [server] = await hostsServing(stage, subject.network.id);
  if (server === undefined) throw new Error(`network ${subject.network.id} has no DHCP agent`);
  const [asker, partner] = subject.seats.filter((one) => one.host !== server);
  Object.assign(subject, { server, asker, partner });
}

/** The machine of that seat asking. */
export async function startPulse(stage: Stage, { machine, port }: Seat): Promise<DhcpPulse> {
  const { ground, layout } = stage.lab.place;
  const enter = [...enterNode(ground, layout, machine.host), 'ip', 'netns', 'exec', machine.name];
  const pulse = new DhcpPulse(enter, { link: 'eth0', mac: port.mac_address, intervalMs: PULSE_MS });
  await pulse.ready;
  return pulse;
}
