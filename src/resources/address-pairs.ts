import { cidr, ipAddress, macAddress } from './address-values.ts';
import type { FaultType } from './errors.ts';
import type { AddressPair } from './port.ts';
import { display, isPlainObject, type Reading, type ValueType } from './values.ts';

/** As a request has one: without a MAC address it is with the port's. */
export interface AskedPair {
  readonly ip_address: string;
  readonly mac_address?: string;
}

const MOST_PAIRS = 10;

const refused = (fault: FaultType, reason: string): Reading => ({ fault, reason });

function readPair(given: unknown): Reading {
  if (!isPlainObject(given)) return { reason: `'${display(given)}' is not a dictionary` };
  const { ip_address, mac_address, ...others } = given;
  const mac = mac_address === undefined ? { value: undefined } : macAddress.read(mac_address);
  if ('reason' in mac) return refused('HTTPBadRequest', mac.reason);
  if (ip_address === undefined)
    return refused('AllowedAddressPairsMissingIP', 'AllowedAddressPair must contain ip_address');
  const unknown = Object.keys(others);
  if (unknown.length > 0)
    return refused('HTTPBadRequest', `Unrecognized attribute(s) '${display(unknown.join(', '))}'`);
  const type = typeof ip_address === 'string' && ip_address.includes('/') ? cidr : ipAddress;
  const address = type.read(ip_address);
  if ('reason' in address) return refused('HTTPBadRequest', address.reason);
  return {
    value: {
      ip_address: address.value,
      ...(mac.value === undefined ? {} : { mac_address: mac.value }),
    },
  };
}

/** Whether a pair is there twice, which. */
export function duplicatePair(pairs: readonly AskedPair[]): AskedPair | undefined {
  const keys = pairs.map(({ ip_address, mac_address }) => `${mac_address} ${ip_address}`);
  return pairs.find((_, at) => keys.indexOf(keys[at] as string) < at);
}

/** With the port's MAC address where a pair has none. */
export const pairsOf = (asked: readonly AskedPair[], portMac: string): AddressPair[] =>
  asked.map(({ ip_address, mac_address = portMac }) => ({ mac_address, ip_address }));

/** What is said of a pair that is there twice. */
export const duplicateText = ({ ip_address, mac_address }: AskedPair): string =>
  `Request contains duplicate address pair: mac_address ${display(mac_address)} ip_address ${ip_address}.`;

/** The pairs that a port is asked to have, at most ten and each once; null is none. */
export const addressPairs: ValueType = {
  schema: {
    anyOf: [
      {
        type: 'array',
        maxItems: MOST_PAIRS,
        items: {
          type: 'object',
          properties: { ip_address: cidr.schema, mac_address: macAddress.schema },
          required: ['ip_address'],
          additionalProperties: false,
        },
      },
      { type: 'null' },
    ],
  },
  read(value) {
    if (value === null) return { value: [] };
    if (!Array.isArray(value)) return refused('HTTPBadRequest', 'Allowed address pairs must be a list.');
    if (value.length > MOST_PAIRS)
      return refused(
        'AllowedAddressPairExhausted',
        `The number of allowed address pair exceeds the maximum ${MOST_PAIRS}.`,
      );
    const pairs: AskedPair[] = [];
    for (const given of value) {
      const reading = readPair(given);
      if ('reason' in reading) return reading;
      pairs.push(reading.value as AskedPair);
    }
    const twice = duplicatePair(pairs);
    return twice ? refused('DuplicateAddressPairInRequest', duplicateText(twice)) : { value: pairs };
  },
  filter: () => undefined,
};
