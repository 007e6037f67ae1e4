/** Faults of whole hosts: the agent hangs, the host is off, the way between it and the servers is cut. */
import type { Cut } from '../../../src/lab/cuts.ts';
import { makeMachine } from '../../../src/lab/machine.ts';
import { switchOff, switchOn } from '../power.ts';
import type { Fault, Trouble } from './fault.ts';
import { agentId, hostsServing } from './subject.ts';
import { dnsmasqOf } from './world.ts';

const victimOf = ({ subject }: Trouble) => subject.server;

const explainItsAgent = async (trouble: Trouble) =>
  ['agent', await agentId(trouble.stage, trouble.memory.get('victim') ?? victimOf(trouble), 'dhcp')] as const;

/** Whether each network has a dnsmasq on a host other than the lost one. */
async function areServedElsewhere(trouble: Trouble): Promise<boolean> {
  const { stage, subject, others, memory } = trouble;
  for (const network of [subject.network, ...others]) {
    const hosts = (await hostsServing(stage, network.id)).filter((host) => host !== memory.get('victim'));
    if (!hosts.some((host) => dnsmasqOf(stage, host, network.id).length > 0)) return false;
  }
  return true;
}

async function untilServedElsewhere(trouble: Trouble): Promise<void> {
  const { stage, note } = trouble;
  await stage.until('another host serves its networks', () => areServedElsewhere(trouble));
  note('another host serves its networks');
}

const remember = (trouble: Trouble) => void trouble.memory.set('victim', victimOf(trouble));

const agentPaused: Fault = {
  name: 'agent-paused',
  summary: 'an agent hangs (SIGSTOP) and goes on later; its dnsmasq runs on',
  lab: 'hosts',
  losesHost: true,
  lasts: { short: 15, long: 100 },
  countedFrom: 'heal',
  mender: 'then the agent takes up its watch',
  explain: explainItsAgent,
  async cause(trouble) {
    remember(trouble);
    trouble.stage.lab.signal(victimOf(trouble), 'agent', 'SIGSTOP');
  },
  meanwhile: untilServedElsewhere,
  async heal({ stage, memory }) {
    stage.lab.signal(memory.get('victim')!, 'agent', 'SIGCONT');
  },
};

/** Everything on the host ends, and what the kernel had made is gone. */
async function powerOff(trouble: Trouble): Promise<void> {
  const { stage, supervisor, note } = trouble;
  const { lab } = stage;
  const victim = victimOf(trouble);
  supervisor.hold(victim);
  const ended = await switchOff(lab, victim);
  note(`${victim} is off: ${ended} processes ended, its links are cut`);
}

async function powerOn({ stage, subject, supervisor, memory }: Trouble): Promise<void> {
  const victim = memory.get('victim')!;
  await switchOn(stage.lab, victim);
  // Whoever runs machines there starts them again too.
  const seat = subject.seats.find((one) => one.host === victim);
  if (seat) await makeMachine(stage.lab.place, seat.machine, subject.network.mtu);
  supervisor.release(victim);
}

const hostOff: Fault = {
  name: 'host-off',
  summary: 'a host loses its power: no process, no link, no namespace is left; it is switched on again later',
  lab: 'hosts',
  losesHost: true,
  lasts: { short: 4, long: 30 },
  countedFrom: 'cause',
  mender: 'rescheduling to another host',
  explain: explainItsAgent,
  async cause(trouble) {
    remember(trouble);
    await powerOff(trouble);
  },
  isMended: areServedElsewhere,
  heal: powerOn,
};

/** Every way of cutting a host off from its servers. */
function managementCut(name: string, summary: string, how: Pick<Cut, 'kind' | 'direction'>): Fault {
  return {
    name,
    summary,
    lab: 'hosts',
    losesHost: true,
    lasts: { short: 6, long: 30 },
    countedFrom: 'heal',
    mender: 'then the agent connects again',
    explain: explainItsAgent,
    async cause(trouble) {
      remember(trouble);
      await trouble.stage.lab.cut({ node: victimOf(trouble), segment: 'management', ...how });
    },
    meanwhile: untilServedElsewhere,
    heal: ({ stage, memory }) => stage.lab.heal(memory.get('victim')!),
  };
}

export const HOST_FAULTS: readonly Fault[] = [
  agentPaused,
  hostOff,
  managementCut('management-cut', 'the link between a host and the servers is cut, the tunnels are well', {
    kind: 'silent',
    direction: 'both',
  }),
  managementCut('one-way-loss-in', 'a host no longer receives what the servers send', {
    kind: 'silent',
    direction: 'in',
  }),
  managementCut('one-way-loss-out', 'a host’s words to the servers are lost', {
    kind: 'silent',
    direction: 'out',
  }),
];
