/** A real server process with its own embedded database in a temporary directory, for benches and process tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { integerBetween, realRandom } from '../../src/lib/random.ts';

export interface ServerProcess {
  readonly pid: number;
  readonly apiPort: number;
  readonly agentPort: number;
  readonly directory: string;
  /** kill -9, and starts again on the same data and ports. */
  restart(): Promise<void>;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
}

const FIRST_PORT = 10_000;
const given = new Set<number>();

/**
 * A TCP port of 127.0.0.1 that nobody listens on at this moment, and that the kernel gives to nobody who asks for any port: it
 * is taken by its number only later.
 */
export async function freePort(): Promise<number> {
  const [first = 32_768] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')
    .split(/\s+/)
    .map(Number);
  for (;;) {
    const port = integerBetween(realRandom, FIRST_PORT, Math.max(first, FIRST_PORT + 5_000) - 1);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.on('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

const exited = (child: ChildProcess) =>
  new Promise<void>((resolve) =>
    child.exitCode !== null || child.signalCode !== null ? resolve() : child.once('exit', () => resolve()),
  );

/** Whether it accepts connections: it listens for callers last of all, and TLS may be asked for. */
function accepts(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

async function untilReady(child: ChildProcess, apiPort: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    if (child.exitCode !== null)
      throw new Error(`the server ended with ${child.exitCode} before it was ready`);
    try {
      await accepts(apiPort);
      return;
    } catch (error) {
      if (performance.now() > deadline)
        throw new Error('the server was not ready within 60 s', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Starts `deuteron server` with identity none on loopback, and waits until it is ready. */
export async function startServer(
  options: { args?: readonly string[]; env?: Record<string, string> } = {},
): Promise<ServerProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'dtn-server-'));
  const [apiPort, agentPort] = [await freePort(), await freePort()];
  const argv = [
    ...['server', '--data-directory', join(directory, 'data')],
    ...['--socket-directory', directory, '--log-level', process.env['DEUTERON_TEST_LOG'] ?? 'error'],
    ...[
      '--api-listen',
      `127.0.0.1:${apiPort}`,
      '--agent-listen',
      `127.0.0.1:${agentPort}`,
      ...(options.args ?? []),
    ],
  ];
  const launch = () =>
    spawn('bin/deuteron', argv, {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, ...options.env },
    });
  let child = launch();
  const remove = async () => {
    child.kill('SIGTERM');
    await exited(child);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await untilReady(child, apiPort);
  } catch (error) {
    await remove();
    throw error;
  }
  return {
    get pid() {
      return child.pid as number;
    },
    apiPort,
    agentPort,
    directory,
    restart: async () => {
      child.kill('SIGKILL');
      await exited(child);
      child = launch();
      await untilReady(child, apiPort);
    },
    stop: remove,
  };
}
