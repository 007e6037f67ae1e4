/**
 * How much gets from one place to another: programs for the two ends, run inside their namespaces.
 *
 *   node throughput.ts --listen 7000                     one TCP connection: bytes of two seconds, after a second and a half
 *   node throughput.ts --send 10.0.0.1:7000              as much as goes, until the other end closes; tries until it is there
 *   node throughput.ts --count 7000                      datagrams of the three seconds after the first
 *   node throughput.ts --datagrams 10.0.0.1:7000         3,000 small ones a second, for four seconds
 *
 * What receives prints one line of JSON (`Received`) and ends.
 */
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { parseArgs } from 'node:util';

export interface Received {
  readonly bytes: number;
  readonly packets: number;
  readonly seconds: number;
}

/** What a bucket that was full lets through at once is over by then. */
const SETTLE_MS = 1500;
const MEASURE_MS = 2000;
const COUNT_MS = 3000;
const DATAGRAMS_A_TICK = 30;
const TICK_MS = 10;
const SEND_MS = 4000;

function tell(received: Received): never {
  process.stdout.write(`${JSON.stringify(received)}\n`);
  process.exit(0);
}

function listen(port: number): void {
  const server = createServer((socket) => {
    let bytes = 0;
    socket.on('error', () => socket.destroy());
    socket.on('data', (data) => {
      bytes += data.length;
    });
    setTimeout(() => {
      bytes = 0;
      const began = performance.now();
      setTimeout(() => {
        tell({ bytes, packets: 0, seconds: (performance.now() - began) / 1000 });
      }, MEASURE_MS);
    }, SETTLE_MS);
  });
  server.listen(port, '0.0.0.0');
}

function send(host: string, port: number): void {
  const block = Buffer.alloc(65_536);
  let isThere = false;
  const socket = connect({ host, port }, () => {
    isThere = true;
    const fill = () => {
      while (socket.write(block));
    };
    socket.on('drain', fill);
    fill();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    if (isThere) process.exit(0);
    setTimeout(() => send(host, port), 50);
  });
}

function count(port: number): void {
  let packets = 0;
  let bytes = 0;
  const socket = createSocket('udp4', (message) => {
    if (packets === 0) setTimeout(() => tell({ bytes, packets, seconds: COUNT_MS / 1000 }), COUNT_MS);
    packets++;
    bytes += message.length;
  });
  socket.bind(port);
}

function datagrams(host: string, port: number): void {
  const socket = createSocket('udp4');
  const message = Buffer.alloc(32);
  const began = performance.now();
  let ticks = 0;
  const timer = setInterval(() => {
    // as many as are due: a timer that comes late is made up for
    const due = Math.floor((performance.now() - began) / TICK_MS);
    for (; ticks < due; ticks++) for (let i = 0; i < DATAGRAMS_A_TICK; i++) socket.send(message, port, host);
    if (performance.now() - began < SEND_MS) return;
    clearInterval(timer);
    setTimeout(() => socket.close(), 200);
  }, TICK_MS);
  socket.on('error', () => undefined);
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      listen: { type: 'string' },
      send: { type: 'string' },
      count: { type: 'string' },
      datagrams: { type: 'string' },
    },
  });
  const [host = '', port = ''] = (values.send ?? values.datagrams ?? '').split(':');
  if (values.listen !== undefined) listen(Number(values.listen));
  else if (values.count !== undefined) count(Number(values.count));
  else if (values.send !== undefined) send(host, Number(port));
  else datagrams(host, Number(port));
}
