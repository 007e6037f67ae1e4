/** `deuteron fence`: whether the file of fence devices may be relied on, and whether a device answers. It switches nothing. */
import { parseArgs } from 'node:util';
import { type Command, type CommandIo, EXIT_DONE, EXIT_FAILED, UsageError } from '../cli/command.ts';
import { formatTable } from '../cli/table.ts';
import { powerOf, problemsOfAgent, problemsOfFile, readFenceFile, runFenceAgent } from './fence-agents.ts';
import { environmentName } from './options.ts';

interface Output {
  readonly isJson: boolean;
  readonly io: CommandIo;
}

const VARIABLE = environmentName('fence-devices');

const USAGE = `usage: deuteron fence verify FILE [--ask] [--json]
       deuteron fence test HOST [--fence-devices FILE] [--json]

Fence devices switch hosts off that neither servers nor other hosts reach. See docs/operate/fencing.md. Nothing here switches anything.

  verify FILE         whether a server would rely on the file: owner and mode of every step of its path and of each agent's, and
                      what is in it. Shows hosts and agents, and no password. What servers were told by devices: deuteron host list
    --ask             also ask each device for the power of its host, one after the other; one that does not say is a problem
  test HOST           asks the host's device for the power, as a server would (action "status"). Do this while the host runs: a device
                      that says "off" then is another host's
    --fence-devices FILE
                      the file [$${VARIABLE}]
  --json              print JSON

Exit codes: 0 it may be relied on (verify; with --ask: and all devices answer), the device answers (test); 1 it may not, it does not; 2 wrong usage.`;

async function verify(path: string, isAsked: boolean, { isJson, io }: Output): Promise<number> {
  const problems = await problemsOfFile(path);
  const devices: { host: string; agent: string; power?: string }[] = [];
  if (problems.length === 0) {
    try {
      for (const device of (await readFenceFile(path)).values()) {
        const { host, agent } = device;
        const found = await problemsOfAgent(agent);
        const run = isAsked && found.length === 0 ? await runFenceAgent(device, 'status') : null;
        const power = run === null ? undefined : powerOf(run);
        if (power === 'unknown') found.push(`it does not say whether the power is on: ${run?.text}`);
        devices.push({ host, agent, ...(power === undefined ? {} : { power }) });
        for (const problem of found) problems.push(`${host}: ${problem}`);
      }
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  if (isJson) io.out(`${JSON.stringify({ path, devices, problems })}\n`);
  else {
    if (devices.length > 0)
      io.out(
        formatTable(
          ['HOST', 'AGENT', ...(isAsked ? ['POWER'] : [])],
          devices.map(({ host, agent, power }) => [host, agent, ...(isAsked ? [power ?? '-'] : [])]),
        ),
      );
    io.out(problems.map((line) => `${line}\n`).join(''));
  }
  return problems.length > 0 ? EXIT_FAILED : EXIT_DONE;
}

async function ask(path: string, host: string, { isJson, io }: Output): Promise<number> {
  const device = (await readFenceFile(path)).get(host);
  if (device === undefined) throw new UsageError(`${path} names no device of ${host}`);
  const run = await runFenceAgent(device, 'status');
  const { text, durationMs } = run;
  const power = powerOf(run);
  if (isJson) io.out(`${JSON.stringify({ host, agent: device.agent, power, text, ms: durationMs })}\n`);
  else io.out(`${host}: ${power}, as ${device.agent} says after ${durationMs} ms: ${text}\n`);
  return power === 'unknown' ? EXIT_FAILED : EXIT_DONE;
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      'fence-devices': { type: 'string' },
      ask: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const [verb, what, ...rest] = positionals;
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  if (verb !== 'verify' && verb !== 'test')
    throw new UsageError(verb === undefined ? 'verify or test?' : `no such verb: ${verb}`);
  if (what === undefined) throw new UsageError(`${verb} needs ${verb === 'verify' ? 'a file' : 'a host'}`);
  if (verb === 'verify') return verify(what, values.ask, { isJson: values.json, io });
  const path = values['fence-devices'] ?? io.env[VARIABLE];
  if (path === undefined) throw new UsageError(`test needs --fence-devices, or ${VARIABLE}`);
  return ask(path, what, { isJson: values.json, io });
}

export const fenceCommand: Command = {
  name: 'fence',
  summary: 'whether fence devices may be relied on, and whether one answers',
  usage: USAGE,
  run,
};
