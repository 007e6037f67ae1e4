/** From what was thrown to a status and `{"NeutronError": {type, message, detail}}`. Nowhere else. */
import { FAULT_STATUS, Fault } from '../resources/errors.ts';
import { StoreUnavailable } from '../store/store.ts';

export interface FaultAnswer {
  readonly status: number;
  readonly body: { readonly NeutronError: { type: string; message: string; detail: string } };
  readonly headers: Readonly<Record<string, string>>;
  /** Nobody foresaw it: to be logged with its stack. */
  readonly bug: boolean;
}

/** What the HTTP server itself found wrong with a request, by its error code. */
const SERVER_FAULTS: Readonly<Record<string, [keyof typeof FAULT_STATUS, string]>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: ['RequestTooLarge', 'The request body is too large.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: [
    'UnsupportedMediaType',
    'The request body must be sent as application/json.',
  ],
  FST_ERR_CTP_EMPTY_TYPE: ['UnsupportedMediaType', 'The request body must be sent as application/json.'],
};

const HEADERS: Readonly<Record<number, Record<string, string>>> = {
  401: { 'www-authenticate': 'Basic realm="Networking API"' },
  503: { 'retry-after': '1' },
};

function answer(type: string, status: number, message: string, detail = ''): FaultAnswer {
  return {
    status,
    body: { NeutronError: { type, message, detail } },
    headers: HEADERS[status] ?? {},
    bug: false,
  };
}

/** The answer to a request whose handling threw `error`. */
export function faultAnswer(error: unknown, requestId: string): FaultAnswer {
  if (error instanceof Fault)
    return answer(error.type, FAULT_STATUS[error.type], error.message, error.detail);
  if (error instanceof StoreUnavailable)
    return answer(
      'ServiceUnavailable',
      503,
      'The database cannot be reached at the moment. Please try again.',
    );
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  const known = typeof code === 'string' ? SERVER_FAULTS[code] : undefined;
  if (known) return answer(known[0], FAULT_STATUS[known[0]], known[1]);
  if (typeof code === 'string' && code.startsWith('FST_ERR_') && statusCode !== 500)
    return answer('HTTPBadRequest', 400, (error as Error).message);
  const message = `Request Failed: internal server error while processing your request (${requestId}).`;
  return { ...answer('HTTPInternalServerError', 500, message, requestId), bug: true };
}
