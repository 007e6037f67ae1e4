/** What agents ask, as one fastify app for a listener of its own: watch and report, nothing else. */
import Fastify, { type FastifyInstance } from 'fastify';
import type { Random } from '../lib/random.ts';
import { Fault } from '../resources/errors.ts';
import { faultAnswer } from './faults.ts';
import { checkCharset, readJsonBody } from './json-body.ts';
import { addReport, type ReportOptions } from './report.ts';
import { addWatch, LineBody, MAX_REQUEST_CHARACTERS, NDJSON, type WatchOptions } from './watch.ts';

export interface AgentApiOptions extends ReportOptions, WatchOptions {
  readonly random: Random;
  readonly log: { error(fields: object, message: string): void };
}

/** Makes the app; `listen` it, or hand requests to its `routing`. Its server must have no request timeout. */
export function createAgentApi(options: AgentApiOptions): FastifyInstance {
  const app = Fastify({
    logger: false,
    bodyLimit: MAX_REQUEST_CHARACTERS,
    genReqId: () => `req-${options.random.uuid()}`,
    forceCloseConnections: true,
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      checkCharset(request.headers['content-type']);
      done(null, readJsonBody(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  app.addContentTypeParser(NDJSON, (request, stream, done) => {
    try {
      checkCharset(request.headers['content-type']);
      done(null, new LineBody(stream));
    } catch (error) {
      done(error as Error);
    }
  });
  app.setErrorHandler((error, request, reply) => {
    const answer = faultAnswer(error, request.id);
    if (answer.bug) options.log.error({ err: error, url: request.url }, 'bug');
    const headers: Record<string, string> = { ...answer.headers, 'content-type': 'application/json' };
    if (answer.status === 401) headers['www-authenticate'] = 'Bearer';
    // an open request body is not read to its end
    if (request.body instanceof LineBody) headers.connection = 'close';
    return reply.code(answer.status).headers(headers).send(JSON.stringify(answer.body));
  });
  app.setNotFoundHandler(() => {
    throw new Fault('HTTPNotFound', 'The resource could not be found.');
  });
  addReport(app, options);
  addWatch(app, options);
  return app;
}
