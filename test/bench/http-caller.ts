/** Callers that keep their connections, as clients of a busy API do. */
import { Agent, request } from 'node:http';

// biome-ignore lint/suspicious/noExplicitAny: JSON as the server sent it
export type Json = any;

export interface HttpAnswer {
  readonly status: number;
  /** Undefined where there is none. */
  readonly body: Json;
}

export interface HttpCaller {
  ask(method: string, path: string, asked?: { body?: unknown; token?: string }): Promise<HttpAnswer>;
  /** As `ask`, and throws what is refused. */
  call(method: string, path: string, body?: unknown, token?: string): Promise<Json>;
}

export function httpCaller(port: number): HttpCaller {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const ask: HttpCaller['ask'] = (method, path, { body, token } = {}) =>
    new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const headers = {
        ...(token === undefined ? {} : { 'x-auth-token': token }),
        ...(text === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
      };
      const sent = request({ host: '127.0.0.1', port, method, path, agent, headers }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const got = Buffer.concat(chunks).toString();
          const status = answer.statusCode ?? 500;
          resolve({ status, body: got === '' ? undefined : JSON.parse(got) });
        });
      });
      sent.on('error', reject);
      sent.end(text);
    });
  return {
    ask,
    async call(method, path, body, token) {
      const answer = await ask(method, path, { body, ...(token === undefined ? {} : { token }) });
      if (answer.status < 400) return answer.body;
      throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    },
  };
}
