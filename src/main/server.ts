/** The server process: store, API, feed, what agents ask, and its background duties, wired in one place. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import type { RequestListener } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { createAgentApi } from '../api/agent-api.ts';
import { answerClientError, createApi } from '../api/app.ts';
import { Arbiter } from '../background/arbiter.ts';
import { type Duty, runDuties } from '../background/duties.ts';
import { Rescheduler } from '../background/reschedule.ts';
import { routerWatchDuty } from '../background/router-watch.ts';
import { routerDuty } from '../background/routers.ts';
import { realClock, sleep, untilAborted } from '../lib/clock.ts';
import { realRandom } from '../lib/random.ts';
import { liftAllBlocks } from '../operations/provisioning.ts';
import type { Call, Settings } from '../operations/operation.ts';
import { agentObjectsSource } from '../store/agent-objects.ts';
import type { EventRow } from '../resources/event.ts';
import { type OpenedStore, openStore } from '../store/open.ts';
import { Feed } from '../watch/feed.ts';
import { createAgentDuties, tellOf } from './agent-duties.ts';
import type { ServerConfig } from './config.ts';
import { createConvergenceParts, tellTo } from './convergence-parts.ts';
import { drain } from './drain.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from './embedded-postgres.ts';
import { checkFenceDevices, fencibleHosts, fencingDuties } from './fence-parts.ts';
import { Fleet } from './fleet-metrics.ts';
import { RouterFigures } from './router-metrics.ts';
import { chooseIdentity } from './identity.ts';
import { createLivenessParts, DOUBT, type LivenessParts } from './liveness-parts.ts';
import { type Certificate, describeAddress, listenAddresses, listenOn, type Listening } from './listen.ts';
import type { Log } from './logging.ts';
import { createMetrics } from './metrics.ts';
import { ConfigurationError } from './options.ts';
import { openPolicyFile } from './policy-file.ts';
import { rescheduleLimits, settingsFrom } from './settings.ts';
import { checkWebhookUrl, postJson, Webhook } from './webhook.ts';

const PROVISIONING_MS = 30_000;
const TRIM_MS = 60_000;
const CLOSE_LIMIT_MS = 3_000;
const STORE_RETRY_MS = 500;

interface Database {
  readonly connection: Parameters<typeof openStore>[0]['connection'];
  readonly embedded: EmbeddedPostgres | null;
}

async function findDatabase(config: ServerConfig, log: Log): Promise<Database> {
  const url = config['database-url'] ?? process.env['DATABASE_URL'];
  if (url !== undefined && url !== '') return { connection: url, embedded: null };
  const dataDirectory = config['data-directory'];
  const socketDirectory = config['socket-directory'] ?? dataDirectory;
  const embedded = await startEmbeddedPostgres({ dataDirectory, socketDirectory, log });
  return { connection: embedded.config, embedded };
}

/** A database that is not up yet is waited for; anything else is an error. */
async function openPatiently(
  connection: Database['connection'],
  log: Log,
  signal: AbortSignal,
): Promise<OpenedStore> {
  for (;;) {
    try {
      return await openStore({ connection, clock: realClock, random: realRandom, log });
    } catch (error) {
      if ((error as Error).name !== 'StoreUnavailable' || signal.aborted) throw error;
      log.warn({ err: error }, 'the database does not answer yet');
      await sleep(realClock, STORE_RETRY_MS, signal);
    }
  }
}

function readCertificate(config: ServerConfig): Certificate | null {
  const [cert, key] = [config['tls-certificate'], config['tls-key']];
  if (cert === null && key === null) return null;
  if (cert === null || key === null)
    throw new ConfigurationError('--tls-certificate and --tls-key go together');
  try {
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
  } catch (error) {
    throw new ConfigurationError(`--tls-certificate, --tls-key: ${(error as Error).message}`);
  }
}

function createParts(config: ServerConfig, parts: { store: OpenedStore; settings: Settings; log: Log }) {
  const { store, settings, log } = parts;
  const serverId = config['server-id'] ?? `${hostname()}-${process.pid}`;
  const onFailure = (what: string, error: unknown) =>
    log.warn({ what, err: error }, 'failed; it will be tried again');
  const url = config['alert-webhook'];
  const webhook =
    url === null ? null : new Webhook({ url, server: serverId, clock: realClock, post: postJson, onFailure });
  const say = tellTo(log);
  const tell = (event: EventRow) => {
    say(event);
    webhook?.tell(event);
    routers.tell(event);
  };
  const call = (): Call => ({
    caller: { projectId: config['default-project'], userId: serverId, isAdmin: true },
    clock: realClock,
    random: realRandom,
    settings,
    isAlive: (agent) => presence.isAlive(agent),
    isEligible: (agent) => presence.isEligible(agent),
  });
  const routers = new RouterFigures(store, call);
  const liveness: LivenessParts = createLivenessParts({
    ...{ store, serverId, call, onFailure, clock: realClock, onEvent: tell },
    detectMs: settings.agentDownTimeMs,
    onLeader: (isLeader, term) => log.info({ isLeader, term }, 'leadership'),
    onChange: () => rescheduler.wake(),
    onDoubt: (host) => void feed.cut(host, DOUBT),
  });
  const { presence, leader } = liveness;
  const follower = createConvergenceParts({
    ...{ store, call, config, onFailure, clock: realClock, tell },
    promptSince: (now) => presence.attention.since(now),
  });
  const feed = new Feed({
    source: agentObjectsSource(store),
    clock: realClock,
    random: realRandom,
    serverId,
    limits: liveness.pace,
    ...follower.hooks,
    ...liveness.hooks,
    onPresence: (host, connected) => {
      presence.changed(host, connected);
      if (!connected) follower.detached(host);
    },
    onError: (error) => onFailure('feed', error),
  });
  const { remedies, duties: followUp } = follower.follow(feed);
  const rescheduler = new Rescheduler({
    ...{ store, call, leader, onFailure, clock: realClock, onEvent: tell },
    limits: rescheduleLimits(config),
  });
  const fleet = new Fleet(store, () => presence.living);
  const arbiter = new Arbiter({ store, call, clock: realClock, onFailure, onEvent: tell });
  const duties: Duty[] = [
    ...followUp,
    fleet.duty,
    routers.duty,
    arbiter.duty,
    routerWatchDuty({ store, call, leader, clock: realClock, onEvent: tell }),
    routerDuty({
      ...{ store, call, leader, clock: realClock, onEvent: tell },
      fencible: fencibleHosts(config['fence-devices']),
    }),
    ...fencingDuties(config, { store, call, leader, presence, serverId, clock: realClock, onEvent: tell }),
    {
      name: 'provisioning',
      intervalMs: PROVISIONING_MS,
      leaderOnly: true,
      perform: async () => {
        await store.transact((tx) => liftAllBlocks(tx, call()));
      },
    },
    {
      name: 'trim',
      intervalMs: TRIM_MS,
      leaderOnly: true,
      perform: async () => {
        await store.trim({
          ageMs: config['change-log-keep-seconds'] * 1000,
          keep: config['change-log-keep'],
        });
      },
    },
  ];
  const background = {
    webhook,
    presence,
    leader,
    follower,
    remedies,
    rescheduler,
    arbiter,
    fleet,
    routers,
    duties,
  };
  return { serverId, call, feed, onFailure, ...background };
}

/** A handler of plain requests; the app must be ready. */
async function handlerOf(app: FastifyInstance): Promise<RequestListener> {
  await app.ready();
  return app.routing as RequestListener;
}

/**
 * Serves until `signal` aborts, then sends everybody elsewhere before it ends (drain.ts); with SIGINT as the reason it
 * only finishes requests that are under way. Throws ConfigurationError before anything is begun.
 */
export async function runServer(config: ServerConfig, log: Log, signal: AbortSignal): Promise<void> {
  const apiAddresses = listenAddresses('--api-listen', config['api-listen']);
  const agentAddresses = listenAddresses('--agent-listen', config['agent-listen']);
  const certificate = readCertificate(config);
  const settings = settingsFrom(config);
  if (config['alert-webhook'] !== null) checkWebhookUrl(config['alert-webhook']);
  await checkFenceDevices(config['fence-devices']);
  const identity = await chooseIdentity(config, { addresses: apiAddresses, log });
  const policyFile = openPolicyFile(config, log);
  const { connection, embedded } = await findDatabase(config, log);
  const end = new AbortController();
  const ended = end.signal;
  const asked = AbortSignal.any([signal, ended]);
  let failure: Error | undefined;
  embedded?.exited
    .then((how) => {
      if (ended.aborted) return;
      failure = new Error(`the embedded PostgreSQL ended: ${how}`);
      end.abort();
    })
    .catch((error) => log.error({ err: error }, 'embedded PostgreSQL'));
  const listening: Listening[] = [];
  const running: Promise<void>[] = [];
  const store = await openPatiently(connection, log, asked);
  try {
    const parts = createParts(config, { store, settings, log });
    const { call, presence, leader, feed, duties, onFailure, serverId, follower } = parts;
    await presence.beat().catch((error) => onFailure('beat', error));
    const metrics = createMetrics({ ...parts, ...follower, policyFile, clock: realClock });
    const api = createApi({
      ...(policyFile === null ? {} : { policy: policyFile.policy }),
      ...{ ...identity, store, settings, log, metrics, clock: realClock, random: realRandom },
      isAlive: call().isAlive,
      isEligible: call().isEligible,
      secret: () => randomBytes(32).toString('base64url'),
      ready: async () =>
        asked.aborted
          ? 'the server stops'
          : await store
              .view((view) => view.head())
              .then(
                () => null,
                (error: Error) => error.message,
              ),
    });
    const agentApi = createAgentApi({
      ...{ feed, log, clock: realClock, random: realRandom },
      ...createAgentDuties({
        ...{ store, serverId, call },
        ...tellOf(parts),
      }),
      onError: (error) => onFailure('agent', error),
    });
    running.push(
      feed.run(ended),
      presence.run(ended),
      leader.run(asked),
      parts.rescheduler.run(ended),
      parts.webhook?.run(ended) ?? untilAborted(ended),
      policyFile?.run(ended) ?? untilAborted(ended),
      runDuties(duties, { clock: realClock, leader, onFailure }, ended),
    );
    const agents = await listenOn({
      addresses: agentAddresses,
      certificate,
      handle: await handlerOf(agentApi),
    });
    listening.push(agents);
    const handle = await handlerOf(api);
    const onClientError = answerClientError as NonNullable<Parameters<typeof listenOn>[0]['onClientError']>;
    const callers = await listenOn({ addresses: apiAddresses, certificate, handle, onClientError });
    listening.push(callers);
    log.info(
      {
        server: serverId,
        api: apiAddresses.map(describeAddress),
        agents: agentAddresses.map(describeAddress),
      },
      'serving',
    );
    await Promise.race([Promise.all(running), untilAborted(asked)]);
    presence.end();
    if (signal.aborted) {
      const seconds = (name: 'drain-seconds' | 'drain-accept-seconds') =>
        signal.reason === 'SIGINT' ? 0 : config[name] * 1000;
      await drain({
        ...{ agents, log, clock: realClock, releaseAgents: (spreadMs) => feed.release(spreadMs) },
        api: callers,
        ...{ acceptMs: seconds('drain-accept-seconds'), idleMs: seconds('drain-seconds') },
      });
    }
  } finally {
    end.abort();
    // A session whose backend is stuck must not keep the process: what was acknowledged is durable.
    const limit = sleep(realClock, CLOSE_LIMIT_MS);
    await Promise.race([Promise.allSettled(running), limit]);
    await Promise.all(listening.map((one) => one.close()));
    await Promise.race([store.close(), limit]);
    await embedded?.stop();
  }
  if (failure !== undefined) throw failure;
}
