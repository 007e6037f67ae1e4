/** A lab that is up: what one can do to it, and how it comes up. The command line and the tests both speak to this. */
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../lib/clock.ts';
import { type Cut, withCut, withoutCuts } from './cuts.ts';
import { bringUp, type UpOptions } from './bring-up.ts';
import { enterNode, findGround } from './ground.ts';
import {
  apiSocket,
  findNode,
  type LabNode,
  type Layout,
  layOut,
  outsideNamespace,
  type Segment,
  serversOf,
} from './layout.ts';
import { isPostmaster, leftovers, namespacesOfNode, takeDown } from './lifecycle.ts';
import { applyCuts } from './network.ts';
import {
  end,
  findRunning,
  type Identity,
  isRunning,
  LAB_MARK,
  namespaceOf,
  programName,
  type ProcessRecord,
  readRecords,
  scanProcesses,
  type SignalName,
  signal,
} from './processes.ts';
import { type ProgramResult, runProgram } from './program.ts';
import {
  databaseIsReady,
  hasSharedDatabase,
  type Place,
  type ServiceCommand,
  serviceName,
  serviceOf,
  startService,
  whileRunning,
} from './services.ts';
import { checkStateDirectory, defaultStateDirectory, type LabState, readState, writeState } from './state.ts';

/** One request to a server's API; throws where the server refuses or does not answer. `url` may be `unix:PATH`. */
export type CallApi = (
  url: string,
  method: string,
  path: string,
  body?: unknown,
  // biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
) => Promise<{ readonly status: number; readonly body: any }>;

interface RestartOptions {
  readonly command?: ServiceCommand | undefined;
  /** How long it may take to end in order; 0 kills it. */
  readonly graceMs?: number;
}

interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const BIN = fileURLToPath(new URL('../../bin', import.meta.url));

export class Lab {
  readonly place: Place;
  readonly callApi: CallApi;

  private constructor(place: Place, callApi: CallApi) {
    this.place = place;
    this.callApi = callApi;
  }

  get layout(): Layout {
    return this.place.layout;
  }

  /** The lab in that directory. Throws when there is none, or only remains of one. */
  static open(options: { clock: Clock; callApi: CallApi; stateDirectory: string }): Lab {
    const state = readState(options.stateDirectory);
    if (!state) throw new Error(`no lab in ${options.stateDirectory}: deuteron lab up makes one`);
    const ground = findGround(options.stateDirectory, state.rootless);
    if (!ground)
      throw new Error(`the lab in ${options.stateDirectory} has ended: deuteron lab down clears it`);
    return new Lab({ clock: options.clock, ground, layout: state.layout }, options.callApi);
  }

  /**
   * Brings a lab up; what an earlier one of the same name left goes first. On failure or when `signal` aborts,
   * everything that was made is removed before this throws.
   */
  static async up(options: UpOptions): Promise<Lab> {
    const stateDirectory = checkStateDirectory(options.stateDirectory ?? defaultStateDirectory(options.id));
    const layout = layOut({ ...options, stateDirectory });
    const name = { id: options.id, stateDirectory };
    const report = options.report ?? (() => undefined);
    const owner = readState(stateDirectory)?.owner;
    if (owner && isRunning(owner) && owner.pid !== process.pid)
      throw new Error(
        `lab "${options.id}" is in use by process ${owner.pid}: end that first, or choose another --id`,
      );
    if (await takeDown(options.clock, name)) report('removed what an earlier lab of this name left');
    try {
      return await bringUp(options, layout, (place) => new Lab(place, options.callApi));
    } catch (error) {
      await takeDown(options.clock, name);
      throw error;
    }
  }

  /** Ends everything; nothing is left behind. */
  async down(): Promise<void> {
    await takeDown(this.place.clock, this.layout);
  }

  leftovers(): Promise<string[]> {
    return leftovers(this.layout);
  }

  state(): LabState {
    const state = readState(this.layout.stateDirectory);
    if (!state) throw new Error(`the lab in ${this.layout.stateDirectory} is gone`);
    return state;
  }

  node(name: string): LabNode {
    return findNode(this.layout, name);
  }

  /** One request to the API of a server (the first unless named), over its Unix socket. Gives the body. */
  // biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
  async api(method: string, path: string, body?: unknown, server = 'ctl1'): Promise<any> {
    return (await this.callApi(`unix:${apiSocket(this.node(server))}`, method, path, body)).body;
  }

  /** Runs a program on a node to its end. */
  run(nodeName: string, argv: readonly string[], input?: string): Promise<ProgramResult> {
    const enter = enterNode(this.place.ground, this.layout, this.node(nodeName));
    return runProgram([...enter, ...argv], input === undefined ? {} : { input });
  }

  /** The same beyond the external segment. */
  runOutside(argv: readonly string[]): Promise<ProgramResult> {
    const enter = ['nsenter', `--net=/run/netns/${outsideNamespace(this.layout.id)}`, '--'];
    return runProgram([...this.place.ground.enter, ...enter, ...argv]);
  }

  /** Runs a program on a node with this process's terminal and directory; gives its exit code. */
  execute(nodeName: string, argv: readonly string[]): Promise<number> {
    const node = this.node(nodeName);
    const enter = enterNode(this.place.ground, this.layout, node);
    // nsenter goes to the root of the mount namespace: the program wants the directory that it was called in.
    const [file, ...args] = [...enter, 'sh', '-c', 'cd "$0" 2> /dev/null; exec "$@"', process.cwd(), ...argv];
    const server = serversOf(this.layout)[0];
    const env = {
      ...process.env,
      [LAB_MARK]: this.layout.stateDirectory,
      PATH: `${BIN}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
      ...(server ? { DEUTERON_ENDPOINT: `unix:${apiSocket(server)}` } : {}),
      ...(node.kind === 'host' ? { DEUTERON_HOST: node.name } : {}),
    };
    return runInForeground([file as string, ...args], env);
  }

  /** All at once, as nearly as the kernel lets one. */
  async cut(...cuts: readonly Cut[]): Promise<void> {
    await this.setCuts(cuts.reduce<readonly Cut[]>(withCut, this.state().cuts));
  }

  /** Undoes the cuts of a node and segment; of all where they are left out. */
  async heal(node?: string, segment?: Segment): Promise<void> {
    await this.setCuts(withoutCuts(this.state().cuts, node, segment));
  }

  private async setCuts(cuts: readonly Cut[]): Promise<void> {
    await applyCuts(this.place.ground, this.layout, cuts);
    writeState({ ...this.state(), cuts });
  }

  /**
   * The running processes that a person means by this word on that node: `agent`, `server`, `database`, or a program's
   * name such as `dnsmasq`.
   */
  find(nodeName: string, what: string): Identity[] {
    const node = this.node(nodeName);
    if (what === 'agent' || what === 'server') {
      const service = findRunning(this.layout.stateDirectory, serviceName(node, what));
      return service ? [service] : [];
    }
    const namespaces = namespacesOfNode(this.layout, node);
    const isMeant = what === 'database' ? isPostmaster : (pid: number) => programName(pid) === what;
    return scanProcesses((pid) => isMeant(pid) && namespaces.has(namespaceOf(pid, 'net') ?? ''));
  }

  /** Sends a signal to each that `find` finds; gives the pids. */
  signal(nodeName: string, what: string, name: SignalName): number[] {
    return this.find(nodeName, what)
      .filter((one) => signal(one, name))
      .map((one) => one.pid);
  }

  /** Kills and waits until they are gone; gives the pids. */
  async kill(nodeName: string, what: string, graceMs = 0): Promise<number[]> {
    const found = this.find(nodeName, what);
    await end(this.place.clock, found, graceMs);
    return found.map((one) => one.pid);
  }

  /** Starts the node's server or agent (or, on the first server, the shared database), unless it runs. */
  async start(nodeName: string, command?: ServiceCommand): Promise<ProcessRecord> {
    const node = this.node(nodeName);
    const service = command ?? serviceOf(node);
    const { stateDirectory } = this.layout;
    return findRunning(stateDirectory, serviceName(node, service)) ?? startService(this.place, node, service);
  }

  /** Ends the node's server or agent (or the shared database) and starts it again. */
  async restart(nodeName: string, options: RestartOptions = {}): Promise<ProcessRecord> {
    const command = options.command ?? serviceOf(this.node(nodeName));
    const { stateDirectory } = this.layout;
    const record = findRunning(stateDirectory, serviceName(this.node(nodeName), command));
    if (record) await end(this.place.clock, [record], options.graceMs ?? 10_000);
    return this.start(nodeName, command);
  }

  /** Starts the database that several servers share, unless it runs, and waits until it takes connections. */
  async startDatabase(wait: WaitOptions): Promise<void> {
    const [server] = serversOf(this.layout);
    if (!server || !hasSharedDatabase(this.layout))
      throw new Error('the server of this lab has its own database');
    const record = await this.start(server.name, 'database');
    const look = () => databaseIsReady(server);
    await whileRunning(this.place, record, { what: 'the database takes connections', ...wait }, look);
  }

  /** Waits until the server answers; fails at once when its process ends. */
  async waitForServer(nodeName: string, wait: WaitOptions): Promise<void> {
    const record = await this.start(nodeName);
    await whileRunning(this.place, record, { what: `server ${nodeName} answers`, ...wait }, async () => {
      await this.api('GET', '/', undefined, nodeName);
      return true;
    });
  }

  /** Whether the server shows agents of the host, all alive. */
  async hasLiveAgents(host: string): Promise<boolean> {
    const { agents } = await this.api('GET', `/v2.0/agents?host=${host}`);
    return agents.length > 0 && agents.every((agent: { alive: boolean }) => agent.alive);
  }

  /** The recorded processes with whether each runs. */
  processes(): { record: ProcessRecord; running: boolean }[] {
    return readRecords(this.layout.stateDirectory).map((record) => ({ record, running: isRunning(record) }));
  }
}

/** Gives it the terminal: Ctrl-C is its business and not ours, TERM is passed on. Resolves to its exit code. */
function runInForeground(argv: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const [file, ...args] = argv as [string, ...string[]];
  return new Promise((resolve, reject) => {
    process.removeAllListeners('SIGINT').on('SIGINT', () => undefined);
    const child = spawn(file, args, { stdio: 'inherit', env });
    process.once('SIGTERM', () => child.kill('SIGTERM'));
    child.on('error', reject);
    child.on('close', (code, by) => resolve(code ?? 128 + constants.signals[by ?? 'SIGKILL']));
  });
}
