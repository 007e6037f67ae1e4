/**
 * What may stand in a dnsmasq file. dnsmasq's lines are split at commas, end at newlines, and know quotes, escapes and
 * comments; a value that smuggles one of those in rewrites the configuration (CVE-2021-40085). So nothing is escaped:
 * each value passes the grammar of its kind or is refused.
 */
import { isIPv4, isIPv6 } from 'node:net';

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Printable ASCII without space, double quote, hash, comma and backslash; single spaces inside. */
const TEXT = /^[!$-+\--[\]-~]+( [!$-+\--[\]-~]+)*$/;
const HEX = /^[0-9a-f]{2}(:[0-9a-f]{2})*$/i;
const PATH = /^\/[A-Za-z0-9._/+@:-]*$/;

export const isMac = (value: string): boolean => MAC.test(value);
export const isUuid = (value: string): boolean => UUID.test(value);
export const isV4 = (value: string): boolean => isIPv4(value);
/** Without a zone (`%eth0`), which node's own test lets through. */
export const isV6 = (value: string): boolean => isIPv6(value) && !value.includes('%');
export const isLabel = (value: string): boolean => LABEL.test(value);
export const isText = (value: string): boolean => value.length <= 255 && TEXT.test(value);
export const isHex = (value: string): boolean => value.length <= 764 && HEX.test(value);
/** An absolute path that needs no quoting in a configuration file. */
export const isPlainPath = (value: string): boolean => PATH.test(value);

/** One or more labels joined by dots, RFC 1035 lengths, no dot at the end. */
export function isDomain(value: string): boolean {
  return value.length <= 253 && value.split('.').every(isLabel);
}

/** A decimal number from `low` to `high`, without sign or leading zeros unless `low` is negative. */
export function isNumber(value: string, low: number, high: number): boolean {
  return /^-?(0|[1-9][0-9]{0,9})$/.test(value) && Number(value) >= low && Number(value) <= high;
}

function isPrefixed(value: string, isAddress: (text: string) => boolean, bits: number): boolean {
  const [address, prefix, ...rest] = value.split('/');
  return (
    rest.length === 0 &&
    address !== undefined &&
    prefix !== undefined &&
    isAddress(address) &&
    isNumber(prefix, 0, bits)
  );
}

export const isV4Cidr = (value: string): boolean => isPrefixed(value, isV4, 32);
export const isV6Cidr = (value: string): boolean => isPrefixed(value, isV6, 128);
