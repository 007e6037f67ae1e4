/** Ethernet frames as hex, as a machine might send them. Pure. */
import { isIPv6 } from 'node:net';
import { mac } from '../support/security-objects.ts';

const hex = (value: number, octets: number) => value.toString(16).padStart(octets * 2, '0');
const macHex = (address: string) => address.replaceAll(':', '');

function addressHex(address: string): string {
  if (!isIPv6(address))
    return address
      .split('.')
      .map((part) => hex(Number(part), 1))
      .join('');
  const [head = '', tail = ''] = address.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':'));
  const [high, low] = [words(head), words(tail)];
  const zeros = Array.from({ length: 8 - high.length - low.length }, () => '0');
  return [...high, ...zeros, ...low].map((word) => word.padStart(4, '0')).join('');
}

/** RFC 1071. */
function checksum(text: string): string {
  let sum = 0;
  for (let at = 0; at < text.length; at += 4)
    sum += Number.parseInt(text.slice(at, at + 4).padEnd(4, '0'), 16);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return hex(~sum & 0xffff, 2);
}

/** Of all machines. */
const ALL = 'ffffffffffff';

export interface From {
  /** The number of the machine that it says to be. */
  readonly number: number;
  /** In place of that one's. */
  readonly mac?: string;
  readonly address?: string;
}

const source = ({ number, mac: given }: From) => macHex(given ?? mac(number));

export const ether = (from: From, type: string, payload: string): string =>
  ALL + source(from) + type + payload;

/** `said`: the sender's MAC in the message. */
export function arp(from: From, target: string, said?: string): string {
  const sender =
    (said === undefined ? source(from) : macHex(said)) + addressHex(from.address ?? `10.0.0.${from.number}`);
  return ether(from, '0806', `0001080006040001${sender}000000000000${addressHex(target)}`);
}

const udp = (ports: readonly [number, number], marker: string) =>
  `${hex(ports[0], 2)}${hex(ports[1], 2)}${hex(8 + marker.length / 2, 2)}0000${marker}`;

export function udp4(from: From, ports: readonly [number, number], marker: string): string {
  const body = udp(ports, marker);
  const of = (sum: string) =>
    `4500${hex(20 + body.length / 2, 2)}000000004011${sum}${addressHex(from.address ?? `10.0.0.${from.number}`)}ffffffff`;
  return ether(from, '0800', of(checksum(of('0000'))) + body);
}

interface Six {
  /** Next header. */
  readonly next: number;
  readonly body: string;
  readonly hops?: number;
}

const ipv6 = (from: From, { next, body, hops = 255 }: Six): string =>
  ether(
    from,
    '86dd',
    `60000000${hex(body.length / 2, 2)}${hex(next, 1)}${hex(hops, 1)}${addressHex(from.address ?? `fd00::${from.number}`)}${addressHex('ff02::1')}${body}`,
  );

/** With the checksum that it should have. */
function upper(from: From, next: number, of: (sum: string) => string): string {
  const body = of('0000');
  const pseudo =
    addressHex(from.address ?? `fd00::${from.number}`) +
    addressHex('ff02::1') +
    hex(body.length / 2, 4) +
    hex(next, 4);
  return of(checksum(pseudo + body));
}

export function udp6(from: From, ports: readonly [number, number], marker: string): string {
  const plain = udp(ports, marker);
  const body = upper(from, 17, (sum) => plain.slice(0, 12) + sum + plain.slice(16));
  return ipv6(from, { next: 17, body });
}

/** `inFragments`: it is the first of them, and says to be all there is. */
export function icmp6(from: From, type: number, rest: string, inFragments = false): string {
  const body = upper(from, 58, (sum) => `${hex(type, 1)}00${sum}${rest}`);
  return inFragments
    ? ipv6(from, { next: 44, body: `3a000001${'0000002a'}${body}` })
    : ipv6(from, { next: 58, body });
}

/** RFC 4861: what has the target is at the sender. */
export const advertisement = (from: From, target: string): string =>
  icmp6(from, 136, `20000000${addressHex(target)}0201${source(from)}`);

/** With an IEEE 802.1Q tag. */
export const tagged = (frame: string, id: number): string =>
  `${frame.slice(0, 24)}8100${hex(id, 2)}${frame.slice(24)}`;

/** What is left of it where a tag is told apart from the rest: without addresses and tag. */
export const afterTag = (frame: string): string => frame.slice(frame.slice(24, 28) === '8100' ? 32 : 24);
