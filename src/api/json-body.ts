/** Reads a request's body as JSON. */
import { Fault } from '../resources/errors.ts';

/** Deeper than any resource; what is far deeper would overflow the stack of whoever walks or writes it. */
const MAX_DEPTH = 100;

const [QUOTE, BACKSLASH, OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = Buffer.from(
  '"\\[]{}',
) as unknown as [number, number, number, number, number, number];

/** How deep lists and objects are nested in this text, brackets in strings not counted. */
export function nestingOf(text: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const byte = text[at];
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) deepest = Math.max(deepest, ++depth);
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
  }
  return deepest;
}

/** Throws Fault UnsupportedMediaType for a Content-Type that names a charset other than UTF-8. */
export function checkCharset(contentType: string | undefined): void {
  for (const match of (contentType ?? '').matchAll(/;\s*charset\s*=\s*("[^"]*"|[^;]*)/gi)) {
    const charset = (match[1] as string).replaceAll('"', '').trim().toLowerCase();
    if (charset !== 'utf-8' && charset !== 'utf8')
      throw new Fault('UnsupportedMediaType', 'The request body must be in UTF-8.');
  }
}

/**
 * Throws Fault UnsupportedMediaType for what does not say that it is JSON. Some clients say nothing in their updates, and
 * Neutron takes those for JSON; a POST without a type is what pages of other sites can make a browser send without asking
 * first (a simple request of the Fetch standard), so there it must be said.
 */
export function checkMediaType(method: string, contentType = ''): void {
  if (/^\s*application\/json\s*(;|$)/i.test(contentType) || (contentType === '' && method !== 'POST')) return;
  throw new Fault('UnsupportedMediaType', 'The request body must be sent as application/json.');
}

/** The value, or undefined for an empty body. Throws Fault HTTPBadRequest for what is no JSON in UTF-8. */
export function readJsonBody(text: Buffer): unknown {
  if (text.length === 0) return undefined;
  if (nestingOf(text) > MAX_DEPTH)
    throw new Fault('HTTPBadRequest', `Malformed request body: nested more than ${MAX_DEPTH} deep.`);
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    throw new Fault('HTTPBadRequest', 'Malformed request body: it is not valid JSON in UTF-8.');
  }
}
