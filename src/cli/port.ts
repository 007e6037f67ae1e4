/** `deuteron port plug` and `unplug`: a port's link for machines that are namespaces, without a hypervisor. */
import { parseArgs } from 'node:util';
import { plugPort, type Run, removeNamespace, tapName, unplugPort } from '../lab/plug.ts';
import { runProgram } from '../lab/program.ts';
import { callApi, ENDPOINT_HELP, ENDPOINT_OPTIONS, type Endpoint, endpointFrom } from './api-client.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from './command.ts';

const USAGE = `usage: deuteron port plug PORT --netns NAME [OPTION...]
       deuteron port unplug PORT [--netns NAME] [OPTION...]

Gives a namespace of this host a link that is the port: its MAC address, its network's MTU. The host's agent finds the
other end (tap<port id>) and wires it; then a DHCP client in the namespace gets the port's address. Run as root.

  plug               make the link, and the namespace where it is not there
      --netns NAME   the namespace
      --device NAME  the link's name in it [eth0]
      --host NAME    this host, as its agent calls it; an unbound port is bound to it [DEUTERON_HOST]
  unplug             remove the link
      --netns NAME   remove this namespace too

PORT is an id or a name. In a lab: deuteron lab exec h1 deuteron port plug PORT --netns vm1
${ENDPOINT_HELP}

Exit codes: 0 done, 1 failed, 2 wrong usage.`;

interface Port {
  readonly id: string;
  readonly name: string;
  readonly network_id: string;
  readonly mac_address: string;
  readonly fixed_ips: readonly { readonly ip_address: string }[];
  readonly 'binding:host_id'?: string;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const PATH_OF_ROOT = '/usr/sbin:/sbin';

const runHere: Run = (argv, input) =>
  runProgram(argv, {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:${PATH_OF_ROOT}` },
    ...(input === undefined ? {} : { input }),
  });

async function findPort(endpoint: Endpoint, wanted: string): Promise<Port> {
  if (UUID.test(wanted)) return (await callApi(endpoint, 'GET', `/v2.0/ports/${wanted}`)).body.port;
  const path = `/v2.0/ports?name=${encodeURIComponent(wanted)}`;
  const ports: Port[] = (await callApi(endpoint, 'GET', path)).body.ports;
  if (ports.length !== 1)
    throw new Error(`${ports.length === 0 ? 'no port is' : `${ports.length} ports are`} called "${wanted}"`);
  return ports[0] as Port;
}

/** Binds an unbound port to this host; a port of another host is refused, for its agent would never see the link. */
async function bind(endpoint: Endpoint, port: Port, host: string | undefined): Promise<void> {
  const bound = port['binding:host_id'] ?? '';
  if (bound === '' && host === undefined)
    throw new UsageError(`port ${port.id} is not bound to a host: name this one with --host`);
  if (bound !== '' && host !== undefined && bound !== host)
    throw new Error(`port ${port.id} is bound to ${bound}, and this is ${host}`);
  if (bound === '')
    await callApi(endpoint, 'PUT', `/v2.0/ports/${port.id}`, { port: { 'binding:host_id': host } });
}

interface PlugFlags {
  readonly netns: string;
  readonly device: string;
  readonly host: string | undefined;
}

async function plug(endpoint: Endpoint, wanted: string, flags: PlugFlags, io: CommandIo): Promise<number> {
  const port = await findPort(endpoint, wanted);
  await bind(endpoint, port, flags.host);
  const { network } = (await callApi(endpoint, 'GET', `/v2.0/networks/${port.network_id}`)).body;
  const result = await plugPort(runHere, {
    port,
    mtu: network.mtu,
    namespace: flags.netns,
    device: flags.device,
  });
  const addresses = port.fixed_ips.map((ip) => ip.ip_address).join(', ') || 'no address';
  const place = `${flags.device} of ${flags.netns}`;
  io.out(`${tapName(port.id)} ${result}: ${place}, ${port.mac_address}, MTU ${network.mtu}, ${addresses}\n`);
  return EXIT_DONE;
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...ENDPOINT_OPTIONS,
      netns: { type: 'string' },
      device: { type: 'string', default: 'eth0' },
      host: { type: 'string' },
    },
  });
  const [verb, wanted, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  if (verb !== 'plug' && verb !== 'unplug') throw new UsageError(`plug or unplug, not ${verb ?? 'nothing'}`);
  if (wanted === undefined) throw new UsageError(`which port?`);
  const { netns, device } = values;
  if (!/^[A-Za-z0-9._-]{1,15}$/.test(device))
    throw new UsageError(`--device: "${device}" is no name of a link`);
  if (netns !== undefined && !/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}$/.test(netns))
    throw new UsageError(`--netns: "${netns}" is no name of a namespace`);
  const endpoint = endpointFrom(values, io.env);
  if (verb === 'plug') {
    if (netns === undefined) throw new UsageError('into which namespace? --netns NAME');
    return plug(endpoint, wanted, { netns, device, host: values.host ?? io.env['DEUTERON_HOST'] }, io);
  }
  const id = UUID.test(wanted) ? wanted : (await findPort(endpoint, wanted)).id;
  const had = await unplugPort(runHere, id);
  if (netns !== undefined) await removeNamespace(runHere, netns);
  io.out(had ? `${tapName(id)} unplugged\n` : `${tapName(id)} is not plugged in here\n`);
  return had || netns !== undefined ? EXIT_DONE : EXIT_FAILED;
}

export const portCommand: Command = {
  name: 'port',
  summary: 'plug a port into a namespace of this host, and unplug it',
  usage: USAGE,
  run,
};
