import { parseArgs } from 'node:util';
import { callApi, ENDPOINT_HELP, ENDPOINT_OPTIONS, endpointFrom } from './api-client.ts';
import { type Command, type CommandIo, EXIT_DONE, UsageError } from './command.ts';
import { drain } from './drain.ts';
import { formatTable, toSecond } from './table.ts';

const USAGE = `usage: deuteron host add NAME | list | drain NAME [--undo] [--force] [--wait S] | remove NAME [--force]

Hosts whose agents may connect. Each has a credential of its own: it is shown once, by add, and kept hashed.

  add NAME           make the host known and print its credential; put it into the agent's credential file
  list               the hosts, where they are on the tunnel and management networks, since when, and what their fence devices said last
  drain NAME         empty it before maintenance: its DHCP and L3 agents are switched off, what they have goes to others, HA routers
                     that are active there move at once, routers that are not HA are away for a moment. Says what is left; asked
                     again, it moves what could not be moved before
      --wait S       until nothing is left but ports of machines, so many seconds at most; exit code 1 if something is
      --force        HA routers go also to replicas that ail more than the one here; without it they stay, and that is said
      --undo         let it take part again
  remove NAME        forget the host, its agents and its credential; refused while ports are bound to it
      --force        unbind them first
  --json             print JSON
${ENDPOINT_HELP}

Exit codes: 0 done, 1 failed, 2 wrong usage.`;

interface HostBody {
  name: string;
  tunnel_ip: string;
  /** A server from before it says nothing of it. */
  management_ip?: string;
  created_at: string;
  /** null: none, or it was not asked yet. A server from before it says nothing of it. */
  fence_device?: { ok: boolean; since: string; at: string; message: string } | null;
}

function fenceDeviceOf({ fence_device: device }: HostBody): string {
  if (!device) return '-';
  return device.ok
    ? `answers (${toSecond(device.at)})`
    : `FAILS since ${toSecond(device.since)}: ${device.message}`;
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...ENDPOINT_OPTIONS,
      json: { type: 'boolean' },
      force: { type: 'boolean' },
      undo: { type: 'boolean' },
      wait: { type: 'string' },
    },
  });
  const [verb, name, ...rest] = positionals;
  const endpoint = endpointFrom(values, io.env);
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  if (verb === 'list' && name === undefined) {
    const hosts: HostBody[] = (await callApi(endpoint, 'GET', '/v2.0/deuteron/hosts')).body.hosts;
    if (values.json) io.out(`${JSON.stringify(hosts)}\n`);
    else
      io.out(
        formatTable(
          ['NAME', 'TUNNEL IP', 'MANAGEMENT IP', 'ADDED', 'FENCE DEVICE'],
          hosts.map((host) => [
            ...[host.name, host.tunnel_ip || '-', host.management_ip || '-', host.created_at],
            fenceDeviceOf(host),
          ]),
        ),
      );
    return EXIT_DONE;
  }
  if (name === undefined)
    throw new UsageError(verb === undefined ? 'add, list, drain or remove?' : `${verb} needs a host's name`);
  if (verb === 'add') {
    const { host } = (await callApi(endpoint, 'POST', '/v2.0/deuteron/hosts', { host: { name } })).body;
    io.out(values.json ? `${JSON.stringify(host)}\n` : `${host.credential}\n`);
    if (!values.json)
      io.err(`The credential of ${name} is shown this once: put it into the agent's credential file.\n`);
    return EXIT_DONE;
  }
  if (verb === 'drain') {
    const undo = values.undo ?? false;
    const waitMs = Number(values.wait ?? '0') * 1000;
    if (!(waitMs >= 0)) throw new UsageError(`--wait: "${values.wait}" is no number of seconds`);
    return drain(
      endpoint,
      name,
      { undo, force: values.force ?? false, waitMs, json: values.json ?? false },
      io,
    );
  }
  if (verb === 'remove') {
    await callApi(
      endpoint,
      'DELETE',
      `/v2.0/deuteron/hosts/${encodeURIComponent(name)}${values.force ? '?force=true' : ''}`,
    );
    return EXIT_DONE;
  }
  throw new UsageError(`no such verb: ${verb}`);
}

export const hostCommand: Command = {
  name: 'host',
  summary: 'add, list, drain and remove hosts of agents',
  usage: USAGE,
  run,
};
