/** `deuteron lab up`, `down`, `status`. */
import { parseArgs } from 'node:util';
import { describeCut } from '../lab/cuts.ts';
import { Lab } from '../lab/lab.ts';
import { hostsOf, serversOf } from '../lab/layout.ts';
import { takeDown } from '../lab/lifecycle.ts';
import { missingForLab } from '../lab/requirements.ts';
import { type Clock, realClock } from '../lib/clock.ts';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED } from './command.ts';
import {
  callLabApi,
  LAB_HELP,
  LAB_OPTIONS,
  labDirectory,
  labId,
  labWords,
  openLab,
  readNumber,
  takeNoMore,
} from './lab-options.ts';
import { formatTable } from './table.ts';

export const DEFAULT_API_PORT = '9696';

/** Tells progress with the seconds since the beginning. */
export function timeline(clock: Clock, out: (text: string) => void): (progress: string) => void {
  const start = clock.now();
  return (progress) => out(`${((clock.now() - start) / 1000).toFixed(1).padStart(6)} s  ${progress}\n`);
}

/** Says what this machine lacks for a lab; true when there is something. */
export async function sayWhatIsMissing(io: CommandIo): Promise<boolean> {
  const missing = await missingForLab();
  if (missing.length === 0) return false;
  io.err(`A lab cannot run here:\n${missing.map((line) => `  - ${line}\n`).join('')}`);
  return true;
}

/** Lines to paste into a shell, so that the ordinary client speaks to this lab. */
export const clientEnvironment = (apiPort: number): string =>
  `export OS_AUTH_TYPE=none OS_ENDPOINT=http://127.0.0.1:${apiPort}`;

export function sayPort(io: CommandIo, wanted: string, got: number | null): void {
  if (got !== null && wanted !== '0' && String(got) !== wanted)
    io.out(`Port ${wanted} is taken on this machine: the API is on ${got} instead.\n`);
}

const UP_USAGE = `usage: deuteron lab up [OPTION...]

Makes hosts with an agent each, and servers, as namespaces of this machine. They stay until lab down.

  --hosts N          emulated hosts [3]
  --servers N        servers on one database [1]
  --port PORT        the API on 127.0.0.1; another is taken if this one is in use [9696]
  --bare             namespaces and links only, no agents and servers
${LAB_HELP}

Exit codes: 0 done, 1 failed, 2 wrong usage.`;

async function runUp(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      ...LAB_OPTIONS,
      hosts: { type: 'string', default: '3' },
      servers: { type: 'string', default: '1' },
      port: { type: 'string', default: DEFAULT_API_PORT },
      bare: { type: 'boolean', default: false },
    },
  });
  takeNoMore(positionals);
  const options = {
    id: labId(values),
    hosts: readNumber(values.hosts, '--hosts', { min: 0, max: 100 }),
    servers: readNumber(values.servers, '--servers', { min: 0, max: 9 }),
    apiPort: readNumber(values.port, '--port', { min: 0, max: 65_535 }),
    programs: !values.bare,
    stateDirectory: values['state-directory'],
  };
  if (await sayWhatIsMissing(io)) return EXIT_FAILED;
  const report = timeline(realClock, io.out);
  const lab = await Lab.up({ clock: realClock, callApi: callLabApi, ...options, report, signal: io.signal });
  const { apiPort } = lab.state();
  sayPort(io, values.port, apiPort);
  const words = labWords(values);
  io.out('\n');
  if (apiPort !== null) io.out(`${clientEnvironment(apiPort)}\n`);
  io.out(
    `deuteron lab status${words}; deuteron lab exec${words} h1 ip -br link; deuteron lab down${words}\n`,
  );
  return EXIT_DONE;
}

const DOWN_USAGE = `usage: deuteron lab down [OPTION...]

Ends every process of the lab and removes its namespaces and files. Fine to repeat, also after an interrupted up.

${LAB_HELP}

Exit codes: 0 nothing is left, 1 failed, 2 wrong usage.`;

async function runDown(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: LAB_OPTIONS });
  takeNoMore(positionals);
  const name = { id: labId(values), stateDirectory: labDirectory(values) };
  const had = await takeDown(realClock, name);
  io.out(had ? 'The lab is gone.\n' : 'There was no lab.\n');
  return EXIT_DONE;
}

const STATUS_USAGE = `usage: deuteron lab status [--json] [OPTION...]

The lab's hosts, servers, processes and cuts.

  --json             print JSON
${LAB_HELP}

Exit codes: 0 every process runs, 1 one does not, or there is no lab, 2 wrong usage.`;

async function runStatus(args: string[], io: CommandIo): Promise<number> {
  const options = { ...LAB_OPTIONS, json: { type: 'boolean' } } as const;
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options });
  takeNoMore(positionals);
  const lab = openLab(values);
  const { cuts, apiPort, rootless } = lab.state();
  const processes = lab.processes();
  const exit = processes.every((one) => one.running) ? EXIT_DONE : EXIT_FAILED;
  if (values.json) {
    io.out(
      `${JSON.stringify({ ...lab.state(), processes: processes.map((p) => ({ ...p.record, running: p.running })) })}\n`,
    );
    return exit;
  }
  const nodes = [...hostsOf(lab.layout), ...serversOf(lab.layout)];
  io.out(
    `Lab "${lab.layout.id}"${rootless ? ', in a user namespace' : ''}, kept in ${lab.layout.stateDirectory}\n`,
  );
  if (apiPort !== null) io.out(`API: http://127.0.0.1:${apiPort}\n`);
  const addresses = (node: (typeof nodes)[number]) =>
    node.links.map((link) => `${link.segment} ${link.address ?? '-'}`).join(', ');
  io.out(
    `\n${formatTable(
      ['NODE', 'NAMESPACE', 'LINKS'],
      nodes.map((n) => [n.name, n.namespace, addresses(n)]),
    )}`,
  );
  const state = (one: (typeof processes)[number]) => (one.running ? 'runs' : 'ended');
  io.out(
    `\n${formatTable(
      ['PROCESS', 'PID', 'STATE'],
      processes.map((p) => [p.record.name, String(p.record.pid), state(p)]),
    )}`,
  );
  if (cuts.length > 0) io.out(`\nCut:\n${cuts.map((cut) => `  ${describeCut(cut)}\n`).join('')}`);
  return exit;
}

export const upCommand: Command = {
  name: 'lab up',
  summary: 'make hosts and servers and start everything on them',
  usage: UP_USAGE,
  run: runUp,
};
export const downCommand: Command = {
  name: 'lab down',
  summary: 'end everything of the lab; nothing is left',
  usage: DOWN_USAGE,
  run: runDown,
};
export const statusCommand: Command = {
  name: 'lab status',
  summary: 'hosts, processes, cuts',
  usage: STATUS_USAGE,
  run: runStatus,
};
