/**
 * `extra_dhcp_opts` to dnsmasq's terms. dnsmasq itself accepts nearly any value (it takes "zzz" for an MTU without a
 * word), so the kind of each option that it knows by name is written down here (`dnsmasq --help dhcp`, `dhcp6`).
 */
import type { ExtraDhcpOpt } from '../../resources/port.ts';
import { isDomain, isHex, isNumber, isText, isV4, isV4Cidr, isV6 } from './grammar.ts';

type Kind =
  | 'address'
  | 'addresses'
  | 'flag'
  | 'u8'
  | 'u16'
  | 'u32'
  | 'i32'
  | 'domain'
  | 'domains'
  | 'text'
  | 'routes'
  | 'hosts-routes'
  | 'any';

/** name, number, kind */
type Row = readonly [name: string, number: number, kind: Kind];

const V4: readonly Row[] = [
  ['netmask', 1, 'address'],
  ['time-offset', 2, 'i32'],
  ['router', 3, 'addresses'],
  ['dns-server', 6, 'addresses'],
  ['log-server', 7, 'addresses'],
  ['lpr-server', 9, 'addresses'],
  ['boot-file-size', 13, 'u16'],
  ['domain-name', 15, 'domain'],
  ['swap-server', 16, 'address'],
  ['root-path', 17, 'text'],
  ['extension-path', 18, 'text'],
  ['ip-forward-enable', 19, 'flag'],
  ['non-local-source-routing', 20, 'flag'],
  ['policy-filter', 21, 'addresses'],
  ['max-datagram-reassembly', 22, 'u16'],
  ['default-ttl', 23, 'u8'],
  ['mtu', 26, 'u16'],
  ['all-subnets-local', 27, 'flag'],
  ['router-discovery', 31, 'flag'],
  ['router-solicitation', 32, 'address'],
  ['static-route', 33, 'hosts-routes'],
  ['trailer-encapsulation', 34, 'flag'],
  ['arp-timeout', 35, 'u32'],
  ['ethernet-encap', 36, 'flag'],
  ['tcp-ttl', 37, 'u8'],
  ['tcp-keepalive', 38, 'u32'],
  ['nis-domain', 40, 'domain'],
  ['nis-server', 41, 'addresses'],
  ['ntp-server', 42, 'addresses'],
  ['netbios-ns', 44, 'addresses'],
  ['netbios-dd', 45, 'addresses'],
  ['netbios-nodetype', 46, 'u8'],
  ['netbios-scope', 47, 'text'],
  ['x-windows-fs', 48, 'addresses'],
  ['x-windows-dm', 49, 'addresses'],
  ['T1', 58, 'u32'],
  ['T2', 59, 'u32'],
  ['vendor-class', 60, 'text'],
  ['nis+-domain', 64, 'domain'],
  ['nis+-server', 65, 'addresses'],
  ['tftp-server', 66, 'text'],
  ['bootfile-name', 67, 'text'],
  ['mobile-ip-home', 68, 'addresses'],
  ['smtp-server', 69, 'addresses'],
  ['pop3-server', 70, 'addresses'],
  ['nntp-server', 71, 'addresses'],
  ['irc-server', 74, 'addresses'],
  ['user-class', 77, 'text'],
  ['posix-timezone', 100, 'text'],
  ['tzdb-timezone', 101, 'text'],
  ['ipv6-only', 108, 'u32'],
  ['domain-search', 119, 'domains'],
  ['classless-static-route', 121, 'routes'],
  ['tftp-server-address', 150, 'addresses'],
  // dnsmasq's own name for the header field siaddr.
  ['server-ip-address', 255, 'address'],
];

const V6: readonly Row[] = [
  ['sip-server-domain', 21, 'domains'],
  ['sip-server', 22, 'addresses'],
  ['dns-server', 23, 'addresses'],
  ['domain-search', 24, 'domains'],
  ['nis-server', 27, 'addresses'],
  ['nis+-server', 28, 'addresses'],
  ['nis-domain', 29, 'domains'],
  ['nis+-domain', 30, 'domains'],
  ['sntp-server', 31, 'addresses'],
  ['information-refresh-time', 32, 'u32'],
  ['posix-timezone', 41, 'text'],
  ['tzdb-timezone', 42, 'text'],
  ['ntp-server', 56, 'addresses'],
  ['bootfile-url', 59, 'text'],
  ['bootfile-param', 60, 'text'],
];

/** Parts of the protocol itself: message type, server id, requested address and their like are not for a port to set. */
const RESERVED_V4 = new Set([0, 50, 51, 52, 53, 54, 55, 57, 61, 81, 82]);
/** DHCPv6 identities, associations, status, authentication (RFC 8415 21). */
const RESERVED_V6 = new Set([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 19, 20, 25, 26, 39]);
/** Neutron lets these be blank: the option is then not sent (VALID_BLANK_EXTRA_DHCP_OPTS). */
const MAY_BE_BLANK = new Set(['router', 'classless-static-route']);
/** Ironic sets options by whether the client is iPXE already. */
const TAGGED = /^tag:(!?ipxe),(.+)$/;

/** What `opt_name` means: the words before the value, and the value's kind. null: no such option, or not for a port. */
function lookUp(name: string, version: 4 | 6): { word: string; kind: Kind } | null {
  const table = version === 4 ? V4 : V6;
  const prefix = version === 4 ? 'option' : 'option6';
  const named = table.find((row) => row[0].toLowerCase() === name.toLowerCase());
  if (named) return { word: `${prefix}:${named[0]}`, kind: named[2] };
  if (!isNumber(name, 1, 254)) return null;
  const number = Number(name);
  if ((version === 4 ? RESERVED_V4 : RESERVED_V6).has(number)) return null;
  const kind = table.find((row) => row[1] === number)?.[2] ?? 'any';
  return { word: version === 4 ? String(number) : `option6:${number}`, kind };
}

const split = (value: string): string[] => value.split(',').map((part) => part.trim());

function listOf(value: string, passes: (part: string) => boolean): string | null {
  const parts = split(value);
  return parts.length <= 64 && parts.every(passes) ? parts.join(',') : null;
}

/** `destination,nexthop,destination,nexthop...` */
function pairsOf(value: string, isDestination: (part: string) => boolean): string | null {
  const parts = split(value);
  if (parts.length % 2 !== 0 || parts.length > 128) return null;
  return parts.every((part, i) => (i % 2 === 0 ? isDestination(part) : isV4(part))) ? parts.join(',') : null;
}

function v6Addresses(value: string): string | null {
  const parts = split(value).map((part) => /^\[(.*)\]$/.exec(part)?.[1] ?? part);
  return parts.every(isV6) ? parts.map((part) => `[${part}]`).join(',') : null;
}

/** The value as dnsmasq wants it; null if it is not of that kind. */
function valueFor(value: string, kind: Kind, version: 4 | 6): string | null {
  const only = (passes: boolean) => (passes ? value : null);
  switch (kind) {
    case 'address':
      return only(isV4(value));
    case 'addresses':
      return version === 4 ? listOf(value, isV4) : v6Addresses(value);
    case 'flag':
      return only(isNumber(value, 0, 1));
    case 'u8':
      return only(isNumber(value, 0, 255));
    case 'u16':
      return only(isNumber(value, 0, 65_535));
    case 'u32':
      return only(isNumber(value, 0, 4_294_967_295));
    case 'i32':
      return only(isNumber(value, -2_147_483_648, 2_147_483_647));
    case 'domain':
      return only(isDomain(value));
    case 'domains':
      return listOf(value, isDomain);
    case 'text':
      return only(isText(value));
    case 'routes':
      return pairsOf(value, isV4Cidr);
    case 'hosts-routes':
      return pairsOf(value, isV4);
    case 'any':
      return isText(value) || isHex(value) ? value : listOf(value, isV4);
  }
}

export type RenderedOption = { readonly line: string } | { readonly refused: string };

/**
 * The line of an options file for one extra option of a port; `tag` is the port's. The reason of a refusal names the
 * option but never repeats its value.
 */
export function renderOption(tag: string, option: ExtraDhcpOpt): RenderedOption {
  const tagged = TAGGED.exec(option.opt_name);
  const name = tagged?.[2] ?? option.opt_name;
  const tags = tagged ? `tag:${tag},tag:${tagged[1]}` : `tag:${tag}`;
  const shown = isText(name) ? `'${name.slice(0, 64)}'` : 'with a malformed name';
  const found = lookUp(name, option.ip_version);
  if (!found)
    return { refused: `extra DHCP option ${shown} (IPv${option.ip_version}) is not known or not for a port` };
  if (option.opt_value === '' && MAY_BE_BLANK.has(found.word.replace('option:', ''))) {
    return { line: `${tags},${found.word}` };
  }
  const value = valueFor(option.opt_value, found.kind, option.ip_version);
  if (value === null)
    return { refused: `extra DHCP option ${shown}: its value is not of the kind '${found.kind}'` };
  return { line: `${tags},${found.word},${value}` };
}

/** Neutron sets the client identifier by an extra option; it stands in the host entry, not among the options. */
export function clientIdOf(options: readonly ExtraDhcpOpt[]): { id: string | null; refused: string | null } {
  const option = options.find((o) => o.ip_version === 4 && isClientId(o));
  if (!option) return { id: null, refused: null };
  const value = option.opt_value;
  if (isHex(value) || /^[A-Za-z0-9._-]{1,255}$/.test(value)) return { id: value, refused: null };
  return { id: null, refused: "extra DHCP option 'client-id': its value is not of the kind 'hex' or 'name'" };
}

export const isClientId = (option: ExtraDhcpOpt): boolean =>
  option.opt_name === 'client-id' || (option.opt_name === '61' && option.ip_version === 4);
