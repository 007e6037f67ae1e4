import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ApiError, callApi, type Endpoint } from '../cli/api-client.ts';
import { type Command, type CommandIo, EXIT_DONE, UsageError } from '../cli/command.ts';
import { realClock, sleep } from '../lib/clock.ts';
import { runAgent } from './agent.ts';
import { AGENT_OPTIONS, type AgentConfig, SERVER_OPTIONS, type ServerConfig } from './config.ts';
import { createLog, type Log } from './logging.ts';
import { ConfigurationError, describeOptions, type OptionTable, settle } from './options.ts';
import { runServer } from './server.ts';

/** What the two halves settle between themselves. */
const SETTLED = new Set(['server', 'credential-file', 'ca-file']);
const AGENT_PART = Object.fromEntries(Object.entries(AGENT_OPTIONS).filter(([name]) => !SETTLED.has(name)));
const OPTIONS: OptionTable = { ...AGENT_PART, ...SERVER_OPTIONS };

const USAGE = `usage: deuteron all-in-one [--config FILE] [OPTION...]

Runs server and agent on this host in one process, with nothing to configure: the host is added and its credential kept in
the agent's state directory. For one machine, or to try things out; larger installations run "server" and "agent" apart.

${describeOptions(OPTIONS)}

Exit codes: 0 ended on request, 1 failed, 2 wrong configuration.`;

/** The credential of this host: the kept one, or that of a host added now. */
async function ensureCredential(endpoint: Endpoint, host: string, file: string): Promise<void> {
  const { hosts } = (await callApi(endpoint, 'GET', '/v2.0/deuteron/hosts')).body;
  const known = hosts.some((one: { name: string }) => one.name === host);
  if (known && existsSync(file)) return;
  // The credential cannot be shown again: a host whose file is lost is added anew.
  if (known) await callApi(endpoint, 'DELETE', `/v2.0/deuteron/hosts/${encodeURIComponent(host)}?force=true`);
  const added = (await callApi(endpoint, 'POST', '/v2.0/deuteron/hosts', { host: { name: host } })).body;
  writeFileSync(file, `${added.host.credential}\n`, { mode: 0o600 });
}

async function untilServing(endpoint: Endpoint, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await callApi(endpoint, 'GET', '/readyz');
      return;
    } catch (error) {
      if (error instanceof ApiError && error.status !== 503) throw error;
      await sleep(realClock, 50, signal);
    }
  }
}

async function runBoth(
  server: ServerConfig,
  agent: AgentConfig,
  parts: { log: Log; signal: AbortSignal },
): Promise<void> {
  const { log, signal } = parts;
  const directory = agent['state-directory'];
  mkdirSync(directory, { recursive: true });
  const [api, agents] = [
    join(directory, 'api.sock'),
    server['agent-listen'].find((text) => !text.startsWith('unix:')),
  ];
  if (agents === undefined) throw new ConfigurationError('--agent-listen: all-in-one needs a TCP address');
  const end = new AbortController();
  const both = AbortSignal.any([signal, end.signal]);
  const endpoint = { url: `unix:${api}` };
  const serving = runServer(
    { ...server, 'api-listen': [...server['api-listen'], `unix:${api}`] },
    log,
    both,
  ).finally(() => end.abort());
  const working = (async () => {
    await untilServing(endpoint, both);
    if (both.aborted) return;
    const file = join(directory, 'credential');
    await ensureCredential(endpoint, agent.host ?? hostname(), file);
    const scheme = server['tls-certificate'] === null ? 'http' : 'https';
    const ca = server['tls-certificate'];
    await runAgent(
      { ...agent, server: [`${scheme}://${agents}`], 'credential-file': file, 'ca-file': ca },
      log,
      both,
    );
  })().finally(() => end.abort());
  await Promise.all([serving, working]);
}

async function run(args: string[], io: CommandIo): Promise<number> {
  try {
    const readFile = (path: string) => readFileSync(path, 'utf8');
    const config = settle(OPTIONS, { argv: args, env: io.env, readFile });
    const defaults = settle(AGENT_OPTIONS, { argv: [], env: {}, readFile });
    const log = createLog('deuteron', String(config['log-level']));
    const agent = {
      ...defaults,
      ...config,
      host: (config['host'] as string | null) ?? hostname(),
    } as AgentConfig;
    const server = withoutIdentity(config as unknown as ServerConfig);
    await runBoth(server, agent, { log, signal: io.signal });
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UsageError(error.message);
    throw error;
  }
  return EXIT_DONE;
}

/** The agent adds its own host over the Unix socket, which has the API's identity: only none needs no password. */
function withoutIdentity(config: ServerConfig): ServerConfig {
  if (config.identity !== 'none')
    throw new ConfigurationError('--identity: all-in-one knows only none; run server and agent apart');
  return config;
}

export const allInOneCommand: Command = {
  name: 'all-in-one',
  summary: 'run server and agent on this host',
  usage: USAGE,
  run,
};
