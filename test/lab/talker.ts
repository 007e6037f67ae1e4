/**
 * A machine that speaks and answers: says back what it hears on its port by TCP and UDP, and tries what it is told to.
 *
 * As a program, inside the machine's namespace: `node talker.ts`; prints `ready`, then a line for each line of JSON that it
 * is given, with its number: `{"verb": "tcp" | "udp" | "ping", "address": ..., "hoped": ...}`: whether an answer came; `{"verb": "hold",
 * "address": ...}`: as tcp, and the connection stays; `{"verb": "say"}`: whether an answer still comes on that.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { connect, createServer, isIPv6, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const TALK_PORT = 7000;
/** How long an answer is waited for that is to come (however busy the machine is), and one that is not. */
const PATIENCE_MS = { hoped: 10_000, feared: 300 };

export interface Wish {
  readonly verb: 'tcp' | 'udp' | 'ping' | 'hold' | 'say';
  readonly address?: string;
  readonly port?: number;
  /** Whether an answer is to come. */
  readonly hoped: boolean;
}

const patienceOf = ({ hoped }: Wish): number => (hoped ? PATIENCE_MS.hoped : PATIENCE_MS.feared);

function within(ms: number, begin: (done: (came: boolean) => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), ms);
    begin((came) => {
      clearTimeout(timer);
      resolve(came);
    });
  });
}

function answer(): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  const datagrams = createSocket('udp6');
  datagrams.on('message', (message, { port, address }) => datagrams.send(message, port, address));
  datagrams.bind(TALK_PORT, '::');
  return new Promise((resolve) => server.listen(TALK_PORT, '::', resolve));
}

let held: Socket | undefined;

async function open(wish: Wish): Promise<Socket> {
  const { address = '', port = TALK_PORT } = wish;
  const socket = connect({ host: address, port, noDelay: true });
  socket.on('error', () => socket.destroy());
  await within(patienceOf(wish), (done) => socket.once('connect', () => done(true)));
  return socket;
}

const saysBack = (socket: Socket, wish: Wish) =>
  within(patienceOf(wish), (done) => {
    socket.once('data', () => done(true));
    socket.write('x');
  });

function ping(address: string, wish: Wish): Promise<boolean> {
  const child = spawn('ping', ['-c1', `-W${patienceOf(wish) / 1000}`, address], { stdio: 'ignore' });
  return new Promise((resolve) => child.on('close', (code) => resolve(code === 0)));
}

async function comply(wish: Wish): Promise<boolean> {
  const { verb, address = '', port = TALK_PORT } = wish;
  if (verb === 'say') return held !== undefined && !held.destroyed && saysBack(held, wish);
  if (verb === 'ping') return ping(address, wish);
  if (verb !== 'udp') {
    const socket = await open(wish);
    const answered = !socket.connecting && (await saysBack(socket, wish));
    if (verb === 'hold') held = socket;
    else socket.destroy();
    return answered;
  }
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  const answered = await within(patienceOf(wish), (done) => {
    socket.once('message', () => done(true));
    socket.send('x', port, address, (error) => error && done(false));
  });
  socket.close();
  return answered;
}

export class Talker {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answered: boolean) => void>();
  #count = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async in(namespace: string): Promise<Talker> {
    const argv = ['netns', 'exec', namespace, process.execPath, fileURLToPath(import.meta.url)];
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const child = spawn('ip', argv, { stdio: ['pipe', 'pipe', 'inherit'], env });
    const talker = new Talker(child);
    const lines = createInterface({ input: child.stdout! });
    await new Promise((resolve) => lines.once('line', resolve));
    lines.on('line', (line) => {
      const [number, answered] = line.split(' ');
      talker.#waiting.get(Number(number))?.(answered === 'true');
    });
    return talker;
  }

  wish(wish: Wish): Promise<boolean> {
    this.#count += 1;
    const number = this.#count;
    this.#child.stdin?.write(`${JSON.stringify({ number, wish })}\n`);
    return new Promise((resolve) => this.#waiting.set(number, resolve));
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await answer();
  process.stdout.write('ready\n');
  for await (const line of createInterface({ input: process.stdin })) {
    const { number, wish } = JSON.parse(line) as { number: number; wish: Wish };
    void comply(wish).then((answered) => process.stdout.write(`${number} ${answered}\n`));
  }
}
