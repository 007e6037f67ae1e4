/** The lab of these trials: an HA router with a replica on each of three hosts, and a machine with a floating IP on each. */
import { callApi } from '../../../src/cli/api-client.ts';
import { Lab } from '../../../src/lab/lab.ts';
import { enterNode } from '../../../src/lab/ground.ts';
import { type Machine, makeMachine, startDhcpClient } from '../../../src/lab/machine.ts';
import { hostsOf, outsideNamespace } from '../../../src/lab/layout.ts';
import { realClock } from '../../../src/lib/clock.ts';
import { strikeStage } from '../playbill.ts';
import { switchOn } from '../power.ts';
import { answersOutside, type External, externalNetwork, floatingIp, router } from '../routers.ts';
import type { Seat } from '../faults/subject.ts';
import { type Network, Stage } from '../stage.ts';
import { Holders } from './holders.ts';
import { shownActive } from './view.ts';

/** With both heartbeat paths; or as Neutron has it, with one. */
export type HaKind = 'protected' | 'one-path';

export interface HaSeat extends Seat {
  /** By which the outside reaches its machine. */
  readonly floating: { readonly id: string; readonly address: string };
}

export interface HaGrounds {
  readonly id: string;
  readonly kind: HaKind;
  readonly stage: Stage;
  readonly external: External;
  readonly network: Network;
  readonly routerId: string;
  /** Its address on the external network: whoever holds it serves. */
  readonly gateway: string;
  readonly seats: readonly HaSeat[];
  readonly holders: Holders;
}

const BEGIN_MS = 60_000;

export async function openHaGrounds(
  id: string,
  kind: HaKind,
  report: (text: string) => void = () => undefined,
): Promise<HaGrounds> {
  const lab = await Lab.up({
    clock: realClock,
    callApi: (url, method, path, body) => callApi({ url }, method, path, body),
    id,
    hosts: 3,
    servers: 1,
    apiPort: null,
    serverOptions: {
      'quota-port': '-1',
      'quota-network': '-1',
      'quota-floatingip': '-1',
      'quota-router': '-1',
    },
    agentOptions: kind === 'one-path' ? { 'management-ip': '' } : {},
    report,
  });
  try {
    return await furnish({ id, kind, stage: new Stage(lab) });
  } catch (error) {
    await strikeStage(id);
    throw error;
  }
}

async function furnish(begun: Pick<HaGrounds, 'id' | 'kind' | 'stage'>): Promise<HaGrounds> {
  const { stage } = begun;
  const { lab } = stage;
  const external = await externalNetwork(stage);
  const network = await stage.network();
  const machines = await Promise.all(
    hostsOf(lab.layout).map(async ({ name }) => ({
      host: name,
      ...(await stage.machineThatAsks(network, name)),
    })),
  );
  const routerId = await router(stage, external, [network], { ha: true });
  const seats: HaSeat[] = [];
  for (const one of machines)
    seats.push({ ...one, floating: await floatingIp(stage, external, one.port.id) });
  await Promise.all(machines.map(({ machine }) => stage.lease(machine)));
  const made = (await lab.api('GET', `/v2.0/routers/${routerId}`)).router;
  const gateway: string = made.external_gateway_info.external_fixed_ips[0].ip_address;
  await stage.settle();
  const holders = new Holders(lab, [gateway]);
  await holders.start();
  const grounds = { ...begun, external, network, routerId, gateway, seats, holders };
  await untilCalm(grounds, BEGIN_MS);
  return grounds;
}

interface ShownReplica {
  readonly host: string;
  readonly state: string;
  readonly order: { readonly do: string } | null;
}

/** Who is neither active nor ready to become so, as the API has it: in words. */
async function unready({ stage, routerId }: HaGrounds): Promise<string[]> {
  const { router: shown } = await stage.lab.api('GET', `/v2.0/deuteron/routers/${routerId}`);
  return (shown.replicas as ShownReplica[]).flatMap(({ host, state, order }) => {
    const isTold = order !== null && order.do !== 'tell';
    return ['active', 'standby'].includes(state) && !isTold
      ? []
      : `${host} is ${state}, told ${order?.do ?? 'nothing'}`;
  });
}

/** One replica serves, the others stand by, the API says so, every machine is reached. The host of the one. */
export async function untilCalm(grounds: HaGrounds, timeoutMs = 30_000): Promise<string> {
  const { stage, holders, gateway, routerId, seats } = grounds;
  return stage.until(
    'one replica serves, and the others stand by',
    async () => {
      const holding = holders.holding(gateway);
      const shown = await shownActive(stage.lab, routerId);
      if (holding.length !== 1 || shown.join() !== holding.join())
        throw new Error(
          `the addresses are on ${holding.join(', ') || 'no host'}, shown is ${shown.join(', ') || 'none'}`,
        );
      const others = await unready(grounds);
      if (others.length > 0) throw new Error(others.join(', '));
      for (const { host, floating } of seats)
        if (!(await answersOutside(stage, floating.address)))
          throw new Error(`the machine on ${host} is not reached`);
      return holding[0];
    },
    timeoutMs,
  );
}

/** Words that get a program to where the outside is. */
export const outside = ({ stage }: HaGrounds): string[] => {
  const { ground, layout } = stage.lab.place;
  return [...ground.enter, 'nsenter', `--net=/run/netns/${outsideNamespace(layout.id)}`, '--'];
};

/** Words that get a program into the machine. */
export const inside = ({ lab }: Stage, machine: Machine): string[] => [
  ...enterNode(lab.place.ground, lab.layout, machine.host),
  ...['ip', 'netns', 'exec', machine.name],
];

export const seatOn = (grounds: HaGrounds, host: string): HaSeat => {
  const seat = grounds.seats.find((one) => one.host === host);
  if (!seat) throw new Error(`no machine on ${host}`);
  return seat;
};

/** Power again: links, agent, machine; what runs machines there starts them too. */
export async function powerOn(grounds: HaGrounds, host: string): Promise<void> {
  const { stage, network, holders } = grounds;
  await switchOn(stage.lab, host);
  const { machine } = seatOn(grounds, host);
  await makeMachine(stage.lab.place, machine, network.mtu);
  await startDhcpClient(stage.lab.place, machine);
  await stage.lab.start(host);
  await holders.follow(host);
}

export async function closeHaGrounds(grounds: HaGrounds): Promise<void> {
  grounds.holders.stop();
  await strikeStage(grounds.id);
}
