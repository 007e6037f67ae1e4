/** `POST /deuteron/v1/report`: what one role of a host has realised. */
import type { FastifyInstance } from 'fastify';
import type { Report, ReportAnswer } from '../watch/protocol.ts';
import { readReport } from '../watch/requests.ts';
import { type AuthenticateHost, hostOf, mustBeOwn } from './agent-credential.ts';

export const REPORT_URL = '/deuteron/v1/report';

export interface ReportOptions {
  readonly authenticate: AuthenticateHost;
  /** Takes a report of its own host. May throw a Fault. */
  readonly applyReport: (report: Report) => Promise<ReportAnswer>;
}

export function addReport(app: FastifyInstance, options: ReportOptions): void {
  app.post(REPORT_URL, async (request, reply) => {
    const host = await hostOf(request.headers.authorization, options.authenticate);
    const report = readReport(request.body);
    mustBeOwn(host, report.host);
    const answer = await options.applyReport(report);
    return reply.header('content-type', 'application/json').send(JSON.stringify(answer));
  });
}
