/**
 * One TCP connection that is used all the time: shows for how long it stalled, and whether it was the same to the end.
 *
 * As a program, inside the namespaces of the two ends:
 *   node tcp-chat.ts --listen 7000              says back what it hears; prints `ready`
 *   node tcp-chat.ts --connect 10.0.0.1:7000    a word every 10 ms, numbered; prints `ready`, and a line of JSON (ChatSoFar) for each
 *                                               line on its standard input and at the end of the connection
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

export interface ChatSoFar {
  /** Words that came back, in order. */
  readonly words: number;
  /** The longest time in which none came. */
  readonly stallMs: number;
  /** Why the connection ended; null: it lives. */
  readonly ended: string | null;
}

const WORD_MS = 10;

function listen(port: number): void {
  const server = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(port, '0.0.0.0', () => process.stdout.write('ready\n'));
}

function chat(host: string, port: number): void {
  const socket = connect({ host, port, noDelay: true });
  let said = 0;
  let words = 0;
  let lastAt = performance.now();
  let stallMs = 0;
  let rest = '';
  let ended: string | null = null;
  const tell = () => {
    const now = ended === null ? performance.now() - lastAt : 0;
    const so: ChatSoFar = { words, stallMs: Math.max(stallMs, now), ended };
    process.stdout.write(`${JSON.stringify(so)}\n`);
  };
  const end = (why: string) => {
    if (ended !== null) return;
    ended = why;
    tell();
  };
  socket.on('connect', () => {
    process.stdout.write('ready\n');
    lastAt = performance.now();
    setInterval(() => void (ended === null && socket.write(`${said++}\n`)), WORD_MS);
  });
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line !== String(words++)) end(`heard ${line} instead of ${words - 1}`);
    stallMs = Math.max(stallMs, performance.now() - lastAt);
    lastAt = performance.now();
  });
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('closed'));
  createInterface({ input: process.stdin })
    .on('line', tell)
    .on('close', () => process.exit(0));
}

/** One end of it, as a test sees it. */
export class ChatEnd {
  readonly #child: ChildProcess;
  readonly #ready = Promise.withResolvers<void>();
  #told = Promise.withResolvers<ChatSoFar>();

  /** `enter`: what gets a program into the end's namespace; `how`: as on the command line. */
  constructor(enter: readonly string[], how: readonly string[]) {
    const argv = [...enter, process.execPath, fileURLToPath(import.meta.url), ...how];
    this.#child = spawn(argv[0]!, argv.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#ready.promise.catch(() => undefined);
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      if (line === 'ready') return this.#ready.resolve();
      this.#told.resolve(JSON.parse(line) as ChatSoFar);
      this.#told = Promise.withResolvers();
    });
    this.#child.once('close', (code) =>
      this.#ready.reject(new Error(`an end of the chat ended with ${code}`)),
    );
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** Of the end that connects. */
  soFar(): Promise<ChatSoFar> {
    this.#child.stdin!.write('?\n');
    return this.#told.promise;
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    if (!this.#child.kill('SIGKILL')) return;
    await ended;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { listen: { type: 'string' }, connect: { type: 'string' } } });
  const [host = '', port = ''] = (values.connect ?? '').split(':');
  if (values.listen !== undefined) listen(Number(values.listen));
  else chat(host, Number(port));
}
