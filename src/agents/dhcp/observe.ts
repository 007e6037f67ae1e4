/** Reads the host: only what bears our marks. */
import type { Host, Link } from '../../host/host.ts';
import { parseBase } from './dnsmasq.ts';
import { directoryOf, namespaceOf } from './desired.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import { type FileError, lastReload, parseLog, sinceReload, timesRead } from './log.ts';
import type { ObservedFiles, ObservedWiring, Release } from './observed.ts';

/** Names of the files of a network's directory; paths below the state directory. */
export function paths(networkId: string) {
  const directory = directoryOf(networkId);
  return {
    directory,
    conf: `${directory}/conf`,
    options: `${directory}/opts`,
    fence: `${directory}/fence`,
    base: `${directory}/base`,
    namesBase: `${directory}/names-base`,
    hosts: `${directory}/hosts`,
    names: `${directory}/names`,
    leases: `${directory}/leases`,
    log: `${directory}/log`,
    reloading: `${directory}/reloading`,
    table: `${directory}/table`,
  };
}

export type Paths = ReturnType<typeof paths>;

/** One namespace and its tap; two programs. */
export async function observeWiring(host: Host, networkId: string, tap: string): Promise<ObservedWiring> {
  const namespace = namespaceOf(networkId);
  const [names, links, inside] = await Promise.all([
    host.namespaces(),
    host.links([tap]),
    host.linksIn([namespace]),
  ]);
  return wiringOf(host, {
    networkId,
    tap: links.find((link) => link.name === tap) ?? null,
    namespace: names.has(namespace),
    inner: inside.get(namespace) ?? [],
  });
}

/**
 * From what was read. A namespace whose links could not be read is no evidence that anything is missing: an error, so
 * that what runs in it stays as it is.
 */
export async function wiringOf(
  host: Host,
  found: { networkId: string; tap: Link | null; namespace: boolean; inner: readonly Link[] },
): Promise<ObservedWiring> {
  const { namespace, inner, tap } = found;
  if (namespace && !inner.some((link) => link.name === 'lo')) {
    throw new Error(`cannot read the links in ${namespaceOf(found.networkId)}`);
  }
  const table = (await host.readFile(paths(found.networkId).table)) !== null;
  return { namespace, table, tap, inner: namespace ? inner : [] };
}

async function readAdded(host: Host, directory: string): Promise<Map<string, string>> {
  const names = (await host.listFiles(directory)).filter((name) => !name.startsWith('.'));
  const texts = await Promise.all(names.map((name) => host.readFile(`${directory}/${name}`)));
  return new Map(names.flatMap((name, i) => (texts[i] == null ? [] : [[name, texts[i]]])));
}

/** Nothing in such a log is needed after the next reload, which empties it. */
const LONG_LOG_CHARACTERS = 1 << 20;

/**
 * null: there is no directory of ours for this network. Without `confirm` a file counts as read when it is there.
 */
export async function observeFiles(
  host: Host,
  networkId: string,
  confirm: boolean,
): Promise<ObservedFiles | null> {
  const at = paths(networkId);
  const [fence, keeps, conf, options, base, namesBase, reloading, log, hosts, names] = await Promise.all([
    host.readFile(at.fence),
    Promise.all([at.hosts, at.names].map((directory) => host.readFile(`${directory}/.keep`))),
    host.readFile(at.conf),
    host.readFile(at.options),
    host.readFile(at.base),
    host.readFile(at.namesBase),
    host.readFile(at.reloading),
    host.readFile(at.log),
    readAdded(host, at.hosts),
    readAdded(host, at.names),
  ]);
  if (conf === null && base === null && hosts.size === 0) return null;
  const text = log ?? '';
  const hostLines = merge(parseBase(base ?? ''), hosts);
  const nameLines = merge(parseBase(namesBase ?? ''), names);
  const ids = new Set([...hostLines.merged.keys(), ...nameLines.merged.keys()]);
  return {
    conf,
    options,
    torn: keeps.includes(null) || (confirm && log === null),
    ports: new Map(
      [...ids].map((id) => [
        id,
        { hosts: hostLines.merged.get(id) ?? '', names: nameLines.merged.get(id) ?? '' },
      ]),
    ),
    untidy:
      hostLines.untidy ||
      nameLines.untidy ||
      base === null ||
      namesBase === null ||
      // Options in it would be every port's.
      (fence ?? '') !== '' ||
      text.length > LONG_LOG_CHARACTERS,
    reloading: reloading === null ? null : parseReloading(reloading),
    unconfirmed:
      confirm &&
      (timesRead(text, host.absolute(at.fence)) === 0 ||
        !confirms(text, { host, at, hosts: [...hosts.keys()], names: [...names.keys()] })),
    rejected: rejectedIn(text, { host, at, base: base ?? '', options: options ?? '' }),
  };
}

function merge(base: Map<string, string>, added: ReadonlyMap<string, string>) {
  let untidy = false;
  for (const [id, text] of added) {
    if (base.has(id) && base.get(id) !== text) untidy = true;
    base.set(id, text);
  }
  return { merged: base, untidy };
}

/** What dnsmasq was given to read at its last start or reload. */
export interface Loaded {
  readonly host: Host;
  readonly at: Paths;
  readonly base: string;
  readonly options: string;
}

/** What it refused of that, as shortfalls of the objects whose lines they are. */
export function rejectedIn(log: string, loaded: Loaded): Shortfall[] {
  const { host, at } = loaded;
  const base = loaded.base.split('\n');
  const options = loaded.options.split('\n');
  const objectOf = (error: FileError): string | null => {
    if (error.path === host.absolute(at.base)) {
      const comment = base.slice(0, error.line).findLast((line) => line.startsWith('# '));
      return comment === undefined ? '' : `port/${comment.slice(2)}`;
    }
    if (error.path !== host.absolute(at.options)) return null;
    const tagged = /^tag:(port|subnet)-([0-9a-f-]+)/.exec(options[error.line - 1] ?? '');
    return tagged ? `${tagged[1]}/${tagged[2]}` : '';
  };
  return parseLog(lastReload(log, host.absolute(at.namesBase), host.absolute(at.fence))).errors.flatMap(
    (error) => {
      const object = objectOf(error);
      return object === null ? [] : [{ object, state: 'failed', reason: `dnsmasq: ${error.reason}` }];
    },
  );
}

/** Whether the log says, since the last reload, that each added file was read and none had an error. */
export function confirms(
  log: string,
  added: { host: Host; at: Paths; hosts: readonly string[]; names: readonly string[] },
): boolean {
  if (added.hosts.length === 0 && added.names.length === 0) return true;
  const { host, at } = added;
  const reading = parseLog(sinceReload(log, host.absolute(at.fence)));
  const files = [
    ...added.hosts.map((id) => host.absolute(`${at.hosts}/${id}`)),
    ...added.names.map((id) => host.absolute(`${at.names}/${id}`)),
  ];
  const failed = new Set(reading.errors.map((error) => error.path));
  return files.every((file) => reading.read.has(file) && !failed.has(file));
}

export function parseReloading(text: string): Release[] {
  return text.split('\n').flatMap((line) => {
    const [mac, ip, ...rest] = line.split(' ');
    return mac && ip && rest.length === 0 ? [{ mac, ip }] : [];
  });
}

export const renderReloading = (releases: readonly Release[]): string =>
  releases.map((release) => `${release.mac} ${release.ip}\n`).join('');
