/**
 * The file that names the fence device of each host: a section a host, `agent` and what that agent is to be told, in its own words.
 *
 *   [h3]
 *   agent = /usr/sbin/fence_ipmilan
 *   ip = 192.0.2.73
 *   username = fencer
 *   password = ...
 *
 * It has passwords in it. No message from here has a value of it.
 */

export interface FenceDevice {
  readonly host: string;
  /** Absolute path of a program that speaks the fence-agents protocol. */
  readonly agent: string;
  /** In the order of the file. */
  readonly settings: readonly (readonly [key: string, value: string])[];
}

const SECTION = /^\[([A-Za-z0-9][A-Za-z0-9._-]{0,254})\]$/;
const KEY = /^[a-z][a-z0-9_-]{0,63}$/i;
/** What is said by the server itself, and what would write the passwords somewhere. */
const NOT_ALLOWED = /^(action|option|nodename|debug|debug[_-]file|verbose|verbose[_-]level)$/;
/** As fence-agents name it, today and before. */
const ADDRESS = /^(ip|ipaddr)$/i;
const SECRET = /pass|secret|token|key|kg|community/i;

/** @throws Error that names the line, and no value. */
export function parseFenceFile(text: string): Map<string, FenceDevice> {
  const devices = new Map<string, { agent: string; settings: [string, string][]; line: number }>();
  let host: string | undefined;
  text.split('\n').forEach((raw, at) => {
    const line = raw.trim();
    const wrong = (what: string) => new Error(`line ${at + 1}: ${what}`);
    if (line === '' || line.startsWith('#') || line.startsWith(';')) return;
    if (line.startsWith('[')) {
      host = SECTION.exec(line)?.[1];
      if (host === undefined) throw wrong('no name of a host between [ and ]');
      if (devices.has(host)) throw wrong(`a second device of ${host}`);
      devices.set(host, { agent: '', settings: [], line: at + 1 });
      return;
    }
    const device = host === undefined ? undefined : devices.get(host);
    if (device === undefined) throw wrong('it belongs to no host: [HOST] comes first');
    const equals = line.indexOf('=');
    const key = line.slice(0, Math.max(0, equals)).trim();
    const value = line.slice(equals + 1).trim();
    if (!KEY.test(key)) throw wrong('not "key = value"');
    if (NOT_ALLOWED.test(key.toLowerCase())) throw wrong(`${key} is not to be set here`);
    if (/\p{Cc}/u.test(value)) throw wrong(`a control character in the value of ${key}`);
    if (key !== 'agent') device.settings.push([key, value]);
    else if (device.agent !== '') throw wrong(`a second agent of ${host}`);
    else if (!value.startsWith('/')) throw wrong('agent: no absolute path');
    else device.agent = value;
  });
  return new Map(
    [...devices].map(([name, { agent, settings, line }]) => {
      if (agent === '') throw new Error(`line ${line}: ${name} has no agent`);
      return [name, { host: name, agent, settings }];
    }),
  );
}

/** By it hosts on one and the same device are known: an agent at an address. A device without one is its host's alone. */
export function nameOfDevice({ host, agent, settings }: FenceDevice): string {
  const found = settings.find(([key]) => ADDRESS.test(key));
  return found === undefined ? `${agent} for ${host}` : `${agent} at ${found[1]}`;
}

/** What the agent reads from its standard input (fence-agents: FenceAgentAPI): `key=value` lines. */
export function fenceInput({ host, settings }: FenceDevice, action: string): string {
  const lines = [['action', action], ['nodename', host], ...settings];
  return lines.map(([key, value]) => `${key}=${value}\n`).join('');
}

/** The text without what must not be seen. */
export function withoutSecrets(text: string, { settings }: FenceDevice): string {
  const secrets = settings.filter(([key, value]) => SECRET.test(key) && value.length > 2);
  return secrets.reduce((shown, [key, value]) => shown.replaceAll(value, `<${key}>`), text);
}
