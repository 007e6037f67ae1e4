/** The lab's servers, agents and relay: their configuration files, their start, how to tell that they are up. */
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../lib/clock.ts';
import { type Ground, enterNode } from './ground.ts';
import {
  AGENT_PORT,
  type LabNode,
  type Layout,
  addressOn,
  agentUrl,
  apiSocket,
  serversOf,
} from './layout.ts';
import { type ProcessRecord, isRunning, launch, logOf } from './processes.ts';
import { until } from './until.ts';

export const RELAY = 'relay';
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const ENTRY = here('../main/deuteron.ts');

/** Options of server or agent beside those that the lab sets itself, e.g. {'audit-seconds': '5'}. */
export type ServiceOptions = Readonly<Record<string, string>>;

export interface Place {
  readonly clock: Clock;
  readonly ground: Ground;
  readonly layout: Layout;
}

export const serviceName = (node: LabNode): string =>
  `${node.name}.${node.kind === 'host' ? 'agent' : 'server'}`;

/** Files of the lab that hold the answer to "which options", kept so that a restart uses the same. */
const configFile = (node: LabNode): string => join(node.directory, 'deuteron.conf');

function writeConfig(node: LabNode, settings: Readonly<Record<string, string>>): void {
  mkdirSync(node.directory, { recursive: true });
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
  writeFileSync(configFile(node), lines.join(''), { mode: 0o600 });
}

/** Where the first server's embedded PostgreSQL has its socket. */
export const databaseSocketDirectory = (server: LabNode): string => join(server.directory, 'db');

export function configureServer(server: LabNode, extra: ServiceOptions = {}): void {
  writeConfig(server, {
    'server-id': server.name,
    'api-listen': `unix:${apiSocket(server)},127.0.0.1:9696`,
    'agent-listen': `${addressOn(server, 'management')}:${AGENT_PORT}`,
    identity: 'none',
    'data-directory': join(server.directory, 'data'),
    'socket-directory': databaseSocketDirectory(server),
    ...extra,
  });
}

export const credentialFile = (host: LabNode): string => join(host.directory, 'credential');

export function configureAgent(layout: Layout, host: LabNode, extra: ServiceOptions = {}): void {
  // Each host begins with another server, so that several servers share the hosts.
  const urls = serversOf(layout).map(agentUrl);
  const turn = urls.length === 0 ? 0 : (host.number - 1) % urls.length;
  writeConfig(host, {
    server: [...urls.slice(turn), ...urls.slice(0, turn)].join(','),
    host: host.name,
    'tunnel-ip': addressOn(host, 'tunnel'),
    'credential-file': credentialFile(host),
    'state-directory': join(host.directory, 'agent'),
    'bridge-mappings': 'external:ext0',
    ...extra,
  });
}

export function writeCredential(host: LabNode, credential: string): void {
  mkdirSync(host.directory, { recursive: true });
  writeFileSync(credentialFile(host), `${credential}\n`, { mode: 0o600 });
  chmodSync(credentialFile(host), 0o600);
}

/** The caller's settings must not leak into the lab's programs: theirs are in their files. */
function serviceEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(DEUTERON_|OS_|PG|DATABASE_URL$)/.test(name),
  );
  const environment = Object.fromEntries(kept);
  return { ...environment, PATH: `${environment['PATH'] ?? ''}:/usr/sbin:/sbin` };
}

/** Starts a node's server or agent with the configuration that it has. */
export function startService(place: Place, node: LabNode): Promise<ProcessRecord> {
  const { ground, layout } = place;
  const command = node.kind === 'host' ? 'agent' : 'server';
  const argv = [process.execPath, ENTRY, command, '--config', configFile(node)];
  return launch({
    stateDirectory: layout.stateDirectory,
    name: serviceName(node),
    argv: [...enterNode(ground, layout, node), ...argv],
    env: serviceEnvironment(),
  });
}

/** The last lines that a process wrote, for a message about its end. */
export function tailOfLog(stateDirectory: string, name: string, lines = 5): string {
  const path = logOf(stateDirectory, name);
  if (!existsSync(path)) return '(no log)';
  return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
}

/** Waits for `look`, but gives up at once, with the end of its log, when the process ends first. */
export async function whileRunning<T>(
  place: Place,
  record: ProcessRecord,
  wait: { what: string; timeoutMs: number; signal?: AbortSignal | undefined },
  look: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const { stateDirectory } = place.layout;
  const ended = Symbol('ended');
  const found = await until(place.clock, wait, async () => (await look()) || (!isRunning(record) && ended));
  if (found === ended)
    throw new Error(
      `${record.name} ended instead of: ${wait.what}\n${tailOfLog(stateDirectory, record.name)}`,
    );
  return found as T;
}

/** Starts the relay in the namespace of whoever calls; gives the port on 127.0.0.1. */
export async function startRelayProcess(place: Omit<Place, 'ground'>, wantedPort: number): Promise<number> {
  const { layout } = place;
  const portFile = join(layout.stateDirectory, 'relay.port');
  const sockets = serversOf(layout).flatMap((server) => ['--to', apiSocket(server)]);
  const record = await launch({
    stateDirectory: layout.stateDirectory,
    name: RELAY,
    argv: [
      process.execPath,
      here('relay.ts'),
      '--port',
      String(wantedPort),
      '--port-file',
      portFile,
      ...sockets,
    ],
    env: serviceEnvironment(),
  });
  const wait = { what: 'the relay listens', timeoutMs: 15_000 };
  return whileRunning({ ...place, ground: { rootless: false, enter: [] } }, record, wait, () =>
    existsSync(portFile) ? Number(readFileSync(portFile, 'utf8')) : undefined,
  );
}
