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
const ENTRY = here('../../bin/deuteron');

/** Options of server or agent beside those that the lab sets itself, e.g. {'audit-seconds': '5'}. */
export type ServiceOptions = Readonly<Record<string, string>>;

export interface Place {
  readonly clock: Clock;
  readonly ground: Ground;
  readonly layout: Layout;
}

export type ServiceCommand = 'agent' | 'server' | 'database';

/** What the lab runs on a node unless told otherwise. */
export const serviceOf = (node: LabNode): ServiceCommand => (node.kind === 'host' ? 'agent' : 'server');

export const serviceName = (node: LabNode, command: ServiceCommand): string => `${node.name}.${command}`;

/** A service's options are kept in its file, so that a restart uses the same. */
const configFile = (node: LabNode, command: ServiceCommand): string =>
  join(node.directory, `${command}.conf`);

type Settings = Readonly<Record<string, string>>;

function writeConfig(node: LabNode, command: ServiceCommand, settings: Settings): void {
  mkdirSync(node.directory, { recursive: true });
  const lines = Object.entries(settings).map(([key, value]) => `${key} = ${value}\n`);
  writeFileSync(configFile(node, command), lines.join(''), { mode: 0o600 });
}

/** Where PostgreSQL keeps data and socket: below the first server's directory. */
const databaseSettings = (server: LabNode) => ({
  'data-directory': join(server.directory, 'data'),
  'socket-directory': join(server.directory, 'db'),
});

/** One server brings its own database; several share one that is a process of its own. */
export const hasSharedDatabase = (layout: Layout): boolean => serversOf(layout).length > 1;

export function configureServer(layout: Layout, server: LabNode, extra: ServiceOptions = {}): void {
  const database = databaseSettings(serversOf(layout)[0]!);
  const url = `postgresql://deuteron@/postgres?host=${encodeURIComponent(database['socket-directory'])}&port=5432`;
  writeConfig(server, 'server', {
    'server-id': server.name,
    'api-listen': `unix:${apiSocket(server)},127.0.0.1:9696`,
    'agent-listen': `${addressOn(server, 'management')}:${AGENT_PORT}`,
    identity: 'none',
    ...(hasSharedDatabase(layout) ? { 'database-url': url } : database),
    ...extra,
  });
}

export function configureDatabase(server: LabNode): void {
  writeConfig(server, 'database', databaseSettings(server));
}

/** Whether the shared database takes connections: the last line of its pid file says so. */
export function databaseIsReady(server: LabNode): boolean {
  const file = join(databaseSettings(server)['data-directory'], 'postgres', 'postmaster.pid');
  return existsSync(file) && readFileSync(file, 'utf8').trimEnd().endsWith('ready');
}

/** Where an agent keeps its state, as a path on its host: from outside it is seen through `pathInNode`. */
export const agentState = (host: LabNode): string => join(host.directory, 'agent');

const environmentFile = (node: LabNode): string => join(node.directory, 'environment.json');

/** Variables for whatever is started on the node from now on. */
export function configureEnvironment(node: LabNode, variables: Settings): void {
  mkdirSync(node.directory, { recursive: true });
  writeFileSync(environmentFile(node), JSON.stringify(variables));
}

function environmentOf(node: LabNode): Settings {
  const file = environmentFile(node);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Settings) : {};
}

export const credentialFile = (host: LabNode): string => join(host.directory, 'credential');

export function configureAgent(layout: Layout, host: LabNode, extra: ServiceOptions = {}): void {
  // Each host begins with another server, so that several servers share the hosts.
  const urls = serversOf(layout).map(agentUrl);
  const turn = urls.length === 0 ? 0 : (host.number - 1) % urls.length;
  writeConfig(host, 'agent', {
    server: [...urls.slice(turn), ...urls.slice(0, turn)].join(','),
    host: host.name,
    'tunnel-ip': addressOn(host, 'tunnel'),
    'management-ip': addressOn(host, 'management'),
    'credential-file': credentialFile(host),
    'state-directory': agentState(host),
    roles: 'l2,dhcp,l3',
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

/** Starts a service on a node with the configuration that it has there. */
export function startService(place: Place, node: LabNode, command: ServiceCommand): Promise<ProcessRecord> {
  const { ground, layout } = place;
  const argv = [ENTRY, command, '--config', configFile(node, command)];
  return launch({
    stateDirectory: layout.stateDirectory,
    name: serviceName(node, command),
    argv: [...enterNode(ground, layout, node), ...argv],
    env: { ...serviceEnvironment(), ...environmentOf(node) },
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
  const found = await until(place.clock, wait, async () => {
    // Before the look, for a look that throws means "not yet".
    const hasEnded = !isRunning(record);
    try {
      const seen = await look();
      return seen || (hasEnded && ended);
    } catch (error) {
      if (hasEnded) return ended;
      throw error;
    }
  });
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
