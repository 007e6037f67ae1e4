/** The beginning of a lab, step by step: ground, network, servers, credentials, agents, the way in. */
import type { Clock } from '../lib/clock.ts';
import { breakGround, holdNode } from './ground.ts';
import type { CallApi, Lab } from './lab.ts';
import { hostsOf, type Layout, serversOf } from './layout.ts';
import { createNetwork } from './network.ts';
import type { Identity } from './processes.ts';
import {
  agentState,
  configureAgent,
  configureDatabase,
  configureEnvironment,
  configureServer,
  hasSharedDatabase,
  type Place,
  type ServiceOptions,
  startRelayProcess,
  startService,
  whileRunning,
  writeCredential,
} from './services.ts';
import { type LabState, makeStateDirectory, writeState } from './state.ts';

export interface UpOptions {
  readonly clock: Clock;
  readonly callApi: CallApi;
  readonly id: string;
  readonly hosts: number;
  readonly servers: number;
  readonly stateDirectory?: string | undefined;
  /** Wanted port of the API on 127.0.0.1; null for no relay. */
  readonly apiPort: number | null;
  /** false: namespaces and links only. */
  readonly programs?: boolean;
  readonly serverOptions?: ServiceOptions;
  readonly agentOptions?: ServiceOptions;
  /** Each agent's state directory is a file system of its own of this size, which can become full; a plain directory without. */
  readonly agentDiskMb?: number;
  /** Environment variables of every server, agent and database. */
  readonly environment?: ServiceOptions;
  /** The process whose end should end the lab: named to whoever finds the lab in the way. */
  readonly owner?: Identity | null;
  readonly report?: (progress: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const START_TIMEOUT_MS = 60_000;

/** Makes everything in order; whoever calls removes what was made if this throws. */
export async function bringUp(options: UpOptions, layout: Layout, make: (place: Place) => Lab): Promise<Lab> {
  const { clock } = options;
  const { stateDirectory } = layout;
  const report = options.report ?? (() => undefined);
  const check = () => {
    if (options.signal?.aborted) throw new Error('interrupted');
  };
  makeStateDirectory(stateDirectory);
  const ground = await breakGround(clock, stateDirectory);
  const { rootless } = ground;
  const state: LabState = { layout, rootless, cuts: [], owner: options.owner ?? null, apiPort: null };
  writeState(state);
  check();
  await createNetwork(ground, layout);
  await Promise.all(layout.nodes.map((node) => holdNode(clock, { ground, stateDirectory }, node)));
  if (options.environment) for (const node of layout.nodes) configureEnvironment(node, options.environment);
  const place = { clock, ground, layout };
  const lab = make(place);
  report(`namespaces and links of ${hostsOf(layout).length} hosts and ${serversOf(layout).length} server(s)`);
  if (options.programs === false) return lab;
  check();
  const relay = options.apiPort === null ? null : startRelayProcess(place, options.apiPort);
  // Its failure counts where it is awaited, below.
  relay?.catch(() => undefined);
  await startServers(lab, options, report);
  check();
  await startAgents(lab, options, report);
  if (relay) writeState({ ...lab.state(), apiPort: await relay });
  check();
  return lab;
}

type Report = (progress: string) => void;

async function startServers(lab: Lab, options: UpOptions, report: Report): Promise<void> {
  const servers = serversOf(lab.layout);
  if (hasSharedDatabase(lab.layout)) {
    configureDatabase(servers[0]!);
    await lab.startDatabase({ timeoutMs: START_TIMEOUT_MS, signal: options.signal });
    report('the database that the servers share takes connections');
  }
  for (const server of servers) {
    configureServer(lab.layout, server, options.serverOptions);
    await lab.waitForServer(server.name, { timeoutMs: START_TIMEOUT_MS, signal: options.signal });
    report(`server ${server.name} answers`);
  }
}

async function startAgents(lab: Lab, options: UpOptions, report: Report): Promise<void> {
  const hosts = hostsOf(lab.layout);
  if (hosts.length === 0 || serversOf(lab.layout).length === 0) return;
  const records = await Promise.all(
    hosts.map(async (host) => {
      const answer = await lab.api('POST', '/v2.0/deuteron/hosts', { host: { name: host.name } });
      writeCredential(host, answer.host.credential);
      configureAgent(lab.layout, host, options.agentOptions);
      if (options.agentDiskMb !== undefined) await giveDisk(lab, host.name, options.agentDiskMb);
      return startService(lab.place, host, 'agent');
    }),
  );
  for (const [at, host] of hosts.entries()) {
    const what = `agents of ${host.name} are alive`;
    const wait = { what, timeoutMs: START_TIMEOUT_MS, signal: options.signal };
    await whileRunning(lab.place, records[at]!, wait, () => lab.hasLiveAgents(host.name));
  }
  report(`agents of ${hosts.map((host) => host.name).join(', ')} are connected`);
}

/** It goes with the host's mount namespace. */
async function giveDisk(lab: Lab, host: string, sizeMb: number): Promise<void> {
  const directory = agentState(lab.node(host));
  const mount = `mkdir -p "$0" && mount -t tmpfs -o size=${sizeMb}m,mode=0755 tmpfs "$0"`;
  const done = await lab.run(host, ['sh', '-c', mount, directory]);
  if (done.code !== 0) throw new Error(`no file system for the agent of ${host}: ${done.stderr.trim()}`);
}
