/** Faults of what an agent has made on its host, by another hand: each of `drifts.ts`, where the network is served. */
import { addressOn } from '../../../src/lab/layout.ts';
import { agentState } from '../../../src/lab/services.ts';
import { DRIFTS, type Drift, type DriftTarget } from '../drifts.ts';
import type { Port } from '../stage.ts';
import type { Fault, Trouble } from './fault.ts';

/** Where the network's DHCP is, as the API has it. */
async function findTarget({ stage, subject }: Trouble): Promise<DriftTarget> {
  const { lab } = stage;
  const networkId = subject.network.id;
  const { network } = await lab.api('GET', `/v2.0/networks/${networkId}`);
  const { subnet } = await lab.api('GET', `/v2.0/subnets/${subject.network.subnetId}`);
  const host = lab.node(subject.server);
  const owned = `/v2.0/ports?network_id=${networkId}&device_owner=network:dhcp`;
  const ports: (Port & { 'binding:host_id': string })[] = (await lab.api('GET', owned)).ports;
  const dhcpPort = ports.find((port) => port['binding:host_id'] === host.name);
  const local = subject.seats.find((seat) => seat.host === host.name);
  if (!dhcpPort || !local) throw new Error(`no DHCP port of ${networkId} on ${host.name}`);
  return {
    networkId,
    dhcpPortId: dhcpPort.id,
    dhcpAddress: `${dhcpPort.fixed_ips[0]?.ip_address}/${subnet.cidr.split('/')[1]}`,
    portId: local.port.id,
    portMac: local.port.mac_address,
    vni: network['provider:segmentation_id'],
    remote: addressOn(lab.node(subject.asker.host), 'tunnel'),
    stateDirectory: agentState(host),
  };
}

function faultOf(drift: Drift): Fault {
  return {
    name: drift.name,
    summary: drift.summary,
    lab: 'hosts',
    losesHost: false,
    asksBesideServer: true,
    countedFrom: 'cause',
    mender: 'the agent’s own repair',
    async prepare(trouble) {
      trouble.memory.set('target', JSON.stringify(await findTarget(trouble)));
    },
    async cause({ stage, subject, memory, note }) {
      const script = drift.cause(JSON.parse(memory.get('target')!));
      const done = await stage.lab.run(subject.server, ['sh', '-ec', script]);
      if (done.code !== 0) throw new Error(`${script}: ${done.stderr.trim()}`);
      note(`${drift.summary}, on ${subject.server}`);
    },
    async isMended({ stage, subject, memory }) {
      const script = drift.isMended(JSON.parse(memory.get('target')!));
      return (await stage.lab.run(subject.server, ['sh', '-ec', script])).code === 0;
    },
  };
}

export const DRIFT_FAULTS: readonly Fault[] = DRIFTS.map(faultOf);
