/**
 * The page at `/docs`: the OpenAPI document for people, to read and to try requests from. Everything it loads comes from this
 * server, so it works where a browser reaches nothing else.
 */
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';

const PREFIX = '/docs';
/** Scripts only from here; swagger-ui puts styles into elements and pictures into `data:`. */
const CONTENT_POLICY =
  "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'self'; frame-ancestors 'self'";

/** Whether a route is the page's: it is read without a token, as the document itself is. */
export const isDocsRoute = (route: string): boolean => route === PREFIX || route.startsWith(`${PREFIX}/`);

/** Adds the page; `document` is the OpenAPI document, whole. */
export function addDocsPage(app: FastifyInstance, document: Record<string, unknown>): void {
  app.register(swagger, { mode: 'static', specification: { document: document as never } });
  app.register(swaggerUi, {
    routePrefix: PREFIX,
    staticCSP: CONTENT_POLICY,
    theme: { title: 'Networking API' },
    uiConfig: {
      docExpansion: 'none',
      layout: 'BaseLayout',
      tagsSorter: 'alpha',
      persistAuthorization: false,
    },
  });
}
