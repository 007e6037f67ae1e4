/** The way to a Keystone: one URL, over connections that are kept, with an end to every wait. */
import { readFileSync } from 'node:fs';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { type AskKeystone, type KeystoneAnswer, NoAnswerInTime } from '../api/keystone.ts';
import { ConfigurationError } from './options.ts';

export interface KeystoneClientOptions {
  /** Of the Identity service, with or without `/v3` at its end. */
  readonly authUrl: string;
  /** PEM of authorities to trust instead of the system's. */
  readonly ca?: string;
  /** For a whole request, connection and answer included. */
  readonly timeoutMs: number;
}

const MAX_CONNECTIONS = 32;
const MAX_ANSWER_BYTES = 1024 * 1024;

/** `auth-url` as an address of `/v3/auth/tokens`. Throws ConfigurationError. */
export function tokensUrl(authUrl: string): URL {
  const url = URL.canParse(authUrl) ? new URL(authUrl) : undefined;
  if (url !== undefined && (url.username !== '' || url.password !== ''))
    throw new ConfigurationError('--keystone-auth-url: user and password have options of their own');
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new ConfigurationError(`--keystone-auth-url: "${authUrl}" is no URL of http or https`);
  const path = url.pathname.replace(/\/+$/, '');
  url.pathname = `${path.endsWith('/v3') ? path : `${path}/v3`}/auth/tokens`;
  // nobody here looks at the catalog, which is the most of an answer
  url.search = '?nocatalog';
  url.hash = '';
  return url;
}

/** The authorities of a file. Throws ConfigurationError. */
export function readAuthorities(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(`--keystone-ca-file: ${(error as Error).message}`);
  }
}

async function readAnswer(response: IncomingMessage): Promise<KeystoneAnswer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('the answer is too long');
    chunks.push(chunk);
  }
  const subjectToken = response.headers['x-subject-token'];
  let body: unknown;
  try {
    body = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    // not Keystone's words: the status says all that there is
    body = undefined;
  }
  return {
    status: response.statusCode ?? 0,
    subjectToken: typeof subjectToken === 'string' ? subjectToken : undefined,
    body,
  };
}

/** A connection that was kept may have ended at the other side just then: that says nothing of Keystone. */
class Stale extends Error {}

/** Throws ConfigurationError for a URL that is none. Nothing of what is sent is in its errors. */
export function keystoneClient({ authUrl, ca, timeoutMs }: KeystoneClientOptions): AskKeystone {
  const url = tokensUrl(authUrl);
  const secure = url.protocol === 'https:';
  const kept = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
  const agent = secure
    ? new HttpsAgent({ ...kept, ...(ca === undefined ? {} : { ca }) })
    : new HttpAgent(kept);
  const withExpired = new URL(url);
  withExpired.search = `${url.search}&allow_expired=1`;
  const once = ({ method, headers, body, allowExpired }: Parameters<AskKeystone>[0], signal: AbortSignal) =>
    new Promise<KeystoneAnswer>((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const options = {
        ...{ method, agent, signal },
        headers: {
          ...{ accept: 'application/json', 'user-agent': 'deuteron' },
          ...(text === undefined
            ? {}
            : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
          ...headers,
        },
      };
      let answered = false;
      const sent = (secure ? httpsRequest : httpRequest)(
        allowExpired ? withExpired : url,
        options,
        (response) => {
          answered = true;
          readAnswer(response).then(resolve, failed);
        },
      );
      const failed = (error: NodeJS.ErrnoException) => {
        const failure = (why: string) => `Keystone at ${url.origin} cannot be asked: ${why}`;
        const why = failure(error.code ?? error.message);
        if (signal.aborted) reject(new NoAnswerInTime(failure('no answer in time')));
        else reject(sent.reusedSocket && !answered ? new Stale(why) : new Error(why));
      };
      sent.on('error', failed);
      sent.end(text);
    });
  return async (asked) => {
    const signal = AbortSignal.timeout(timeoutMs);
    for (let left = MAX_CONNECTIONS; ; left--) {
      try {
        return await once(asked, signal);
      } catch (error) {
        if (!(error instanceof Stale) || left === 0) throw error;
      }
    }
  };
}
