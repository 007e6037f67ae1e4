/** Value types for addresses: IP, CIDR, MAC, and the lists and records made of them. Stored forms are canonical text. */
import { isIPv4, isIPv6 } from 'node:net';
import { display, listOf, record, uuid, type Reading, type ValueType } from './values.ts';

/** The address in canonical text (RFC 5952 for IPv6), or undefined. Leading zeros and zone names are refused. */
function canonicalIp(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  if (isIPv4(value)) return value;
  if (!isIPv6(value) || value.includes('%')) return undefined;
  // the URL standard's host serializer is RFC 5952 but for embedded IPv4, which stays in hexadecimal
  return new URL(`http://[${value}]/`).hostname.slice(1, -1);
}

const isMulticast = (address: string): boolean =>
  isIPv4(address) ? Number.parseInt(address, 10) >= 224 : address.startsWith('ff');

function numberOf(address: string): bigint {
  let value = 0n;
  if (isIPv4(address)) {
    for (const part of address.split('.')) value = (value << 8n) | BigInt(part);
  } else {
    const [head = '', tail] = address.split('::');
    const left = head === '' ? [] : head.split(':');
    const right = tail === undefined || tail === '' ? [] : tail.split(':');
    const zeros = Array<string>(8 - left.length - right.length).fill('0');
    for (const group of [...left, ...zeros, ...right]) value = (value << 16n) | BigInt(`0x${group}`);
  }
  return value;
}

/** The bits of a canonical address after the first `prefix`: zero for a network's own address. */
const hostBits = (address: string, prefix: number): bigint =>
  numberOf(address) & ((1n << BigInt((isIPv4(address) ? 32 : 128) - prefix)) - 1n);

/** A canonical address with all bits after the first `prefix` cleared. */
function networkAddress(address: string, prefix: number): string {
  const value = numberOf(address) - hostBits(address, prefix);
  const part = (at: number, bits: number) => (value >> BigInt(at * bits)) & ((1n << BigInt(bits)) - 1n);
  if (isIPv4(address)) return [3, 2, 1, 0].map((at) => part(at, 8)).join('.');
  const groups = [7, 6, 5, 4, 3, 2, 1, 0].map((at) => part(at, 16).toString(16));
  return canonicalIp(groups.join(':')) ?? address;
}

function parseCidr(value: unknown): { address: string; prefix: number } | undefined {
  if (typeof value !== 'string') return undefined;
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(value);
  const address = canonicalIp(match?.[1]);
  const prefix = Number(match?.[2]);
  return address === undefined || prefix > (isIPv4(address) ? 32 : 128) ? undefined : { address, prefix };
}

const filterOf = (read: (value: unknown) => Reading) => (given: string) => {
  const reading = read(given);
  return 'value' in reading ? reading : undefined;
};

function typeOf(schema: ValueType['schema'], read: (value: unknown) => Reading): ValueType {
  return { schema, read, filter: filterOf(read) };
}

const IP_SCHEMA = { type: 'string', anyOf: [{ format: 'ipv4' }, { format: 'ipv6' }] };

export const ipAddress: ValueType = typeOf(IP_SCHEMA, (value) => {
  const found = canonicalIp(value);
  return found === undefined ? { reason: `'${display(value)}' is not a valid IP address` } : { value: found };
});

/** A subnet's CIDR; bits after the prefix are let through, the operation clears them as Neutron does. */
export const cidr: ValueType = typeOf({ type: 'string', examples: ['10.0.0.0/24'] }, (value) => {
  const found = parseCidr(value);
  if (!found) return { reason: `'${display(value)}' is not a valid IP subnet` };
  return { value: `${found.address}/${found.prefix}` };
});

/** A network's CIDR; bits after the prefix are cleared. */
export const networkCidr: ValueType = typeOf({ type: 'string', examples: ['10.0.0.0/24'] }, (value) => {
  const found = parseCidr(value);
  if (!found) return { reason: `'${display(value)}' isn't a recognized IP subnet cidr` };
  return { value: `${networkAddress(found.address, found.prefix)}/${found.prefix}` };
});

/** The same, or an address, which is a network by itself. */
const networkOrAddress: ValueType = typeOf(networkCidr.schema, (value) => {
  const address = canonicalIp(value);
  return networkCidr.read(address === undefined ? value : `${address}/${isIPv4(address) ? 32 : 128}`);
});

/** As `cidr`; an address is a network by itself. */
export const cidrOrAddress: ValueType = typeOf(cidr.schema, (value) => {
  const address = canonicalIp(value);
  return cidr.read(address === undefined ? value : `${address}/${isIPv4(address) ? 32 : 128}`);
});

/** A CIDR, as `cidr` stores it, without bits after its prefix. */
export function networkOf(stored: string): string {
  const reading = networkCidr.read(stored);
  return 'value' in reading ? (reading.value as string) : stored;
}

/** As `networkCidrs`; an address is a network by itself. */
export const networksOrAddresses: ValueType = listOf(networkOrAddress, { max: 10_000, what: 'address' });

/** CIDRs of networks, each once; bits after the prefix are cleared. */
export const networkCidrs: ValueType = listOf(networkCidr, { max: 10_000, what: 'address', nullIs: [] });

/** A route's destination: no bits after the prefix, not loopback, not multicast. */
export const routeCidr: ValueType = typeOf({ type: 'string', examples: ['10.1.0.0/16'] }, (value) => {
  const found = parseCidr(value);
  if (!found || hostBits(found.address, found.prefix) !== 0n)
    return { reason: `'${display(value)}' is not a valid CIDR` };
  if (found.address.startsWith('127.') || found.address === '::1' || isMulticast(found.address))
    return { reason: `'${display(value)}' is not a routable CIDR` };
  return { value: `${found.address}/${found.prefix}` };
});

/** A unicast MAC address, other than all zeros; stored as six lower-case pairs with colons. */
export const macAddress: ValueType = typeOf({ type: 'string', examples: ['fa:16:3e:00:00:01'] }, (value) => {
  const refusal = { reason: `'${display(value)}' is not a valid MAC address` };
  if (typeof value !== 'string') return refusal;
  const separated = /^[0-9a-f]{1,2}([:-])([0-9a-f]{1,2}\1){4}[0-9a-f]{1,2}$/i.test(value);
  const pairs = separated ? value.split(/[:-]/) : /^[0-9a-f]{12}$/i.test(value) ? value.match(/../g) : null;
  if (!pairs) return refusal;
  const canonical = pairs.map((pair) => pair.padStart(2, '0').toLowerCase()).join(':');
  const first = Number.parseInt(canonical, 16);
  return first % 2 === 1 || canonical === '00:00:00:00:00:00' ? refusal : { value: canonical };
});

const MANY = 1000;

/** Null is refused, as Neutron does: it would be no pool, where the client may have meant the default ones. */
export const allocationPools: ValueType = listOf(
  record({ start: ipAddress, end: ipAddress }, { what: 'IP pool' }),
  { max: MANY, what: 'IP pool' },
);

export const hostRoutes: ValueType = listOf(
  record({ destination: routeCidr, nexthop: ipAddress }, { what: 'hostroute' }),
  { max: MANY, what: 'hostroute', nullIs: [] },
);

const nameserver: ValueType = typeOf(IP_SCHEMA, (value) => {
  const found = canonicalIp(value);
  if (found !== undefined) return { value: found };
  return {
    reason: `'${display(value)}' is not a valid nameserver. '${display(value)}' is not a valid IP address`,
  };
});

export const nameservers: ValueType = listOf(nameserver, { max: MANY, what: 'nameserver', nullIs: [] });

/**
 * The addresses that a port asks for: an address, a subnet, or both. The same subnet may come twice (two addresses of
 * it), the same address may not.
 */
export const fixedIps: ValueType = {
  schema: {
    type: 'array',
    maxItems: MANY,
    items: {
      type: 'object',
      properties: { subnet_id: uuid.schema, ip_address: ipAddress.schema },
      additionalProperties: false,
    },
  },
  read(value) {
    if (!Array.isArray(value) || value.length > MANY)
      return { reason: `Invalid data format for fixed IP: '${display(value)}'` };
    const one = record(
      { subnet_id: uuid, ip_address: ipAddress },
      { what: 'fixed IP', optional: ['subnet_id', 'ip_address'] },
    );
    const seen = new Set<unknown>();
    const wanted: unknown[] = [];
    for (const given of value) {
      const reading = one.read(given);
      if ('reason' in reading) return reading;
      const { ip_address } = reading.value as { ip_address?: string };
      if (Object.keys(reading.value as object).length === 0)
        return { reason: `Invalid data format for fixed IP: '${display(given)}'` };
      if (ip_address !== undefined && seen.has(ip_address))
        return { reason: `Duplicate IP address '${ip_address}'` };
      seen.add(ip_address);
      wanted.push(reading.value);
    }
    return { value: wanted };
  },
  filter: () => undefined,
};

/** The prefixes of a subnet pool; bits after them are cleared. */
export const poolPrefixes: ValueType = listOf(networkCidr, { max: MANY, what: 'subnet pool prefix' });
