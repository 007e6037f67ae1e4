/**
 * extra_dhcp_opts. Names and values end up in a line of a DHCP server's configuration, so the grammar here is strict:
 * no line break (CVE-2021-40085), no quote, backslash or comment sign, a name that cannot be read as a tag.
 */
import type { ExtraDhcpOpt } from './port.ts';
import { display, isPlainObject, listOf, oneOfNumbers, record, type ValueType } from './values.ts';

/** An option's name as dnsmasq knows it, or its number. */
export const DHCP_OPTION_NAME = /^[a-z0-9][a-z0-9-]{0,63}$/i;
/** Commas part the values of a list, e.g. of `router` or `classless-static-route`. */
export const DHCP_OPTION_VALUE = /^[A-Za-z0-9 ._:/,@+=?%&~()[\]-]{1,255}$/;

const MAY_BE_BLANK = new Set(['router', 'classless-static-route']);
const ipVersion = oneOfNumbers([4, 6]);

const optionName: ValueType = {
  schema: { type: 'string', pattern: DHCP_OPTION_NAME.source },
  read: (value) =>
    typeof value === 'string' && DHCP_OPTION_NAME.test(value) && !/^0\d/.test(value)
      ? { value }
      : { reason: `'${display(value)}' is not a valid DHCP option name` },
  filter: () => undefined,
};

const optionValue: ValueType = {
  schema: { anyOf: [{ type: 'string', pattern: DHCP_OPTION_VALUE.source }, { type: 'null' }] },
  read: (value) =>
    value === null || value === '' || (typeof value === 'string' && DHCP_OPTION_VALUE.test(value))
      ? { value }
      : { reason: `'${display(value)}' is not a valid DHCP option value` },
  filter: () => undefined,
};

const shape = record(
  { opt_name: optionName, opt_value: optionValue, ip_version: ipVersion },
  { what: 'extra DHCP option', optional: ['ip_version'] },
);

const one: ValueType = {
  schema: shape.schema,
  read(value) {
    const reading = shape.read(value);
    if ('reason' in reading || !isPlainObject(reading.value)) return reading;
    const { opt_name, opt_value, ip_version = 4 } = reading.value;
    if (opt_value === '' && !MAY_BE_BLANK.has(opt_name as string))
      return { reason: `'${display(opt_value)}' Blank strings are not permitted` };
    return { value: { opt_name, opt_value, ip_version } };
  },
  filter: () => undefined,
};

/** A list of options; in an update, one whose `opt_value` is null is taken away (Neutron's way). */
export const extraDhcpOpts: ValueType = listOf(one, { max: 64, what: 'extra DHCP option', nullIs: [] });

/** An option as asked for; null takes it away. */
export type DhcpOptChange = Omit<ExtraDhcpOpt, 'opt_value'> & { readonly opt_value: string | null };

/** The options after an update: each that is named replaces its like (same name and IP version), the others stay. */
export function mergeDhcpOpts(
  present: readonly ExtraDhcpOpt[],
  changes: readonly DhcpOptChange[],
): ExtraDhcpOpt[] {
  const keyOf = (option: DhcpOptChange) => `${option.opt_name} ${option.ip_version}`;
  const merged = new Map(present.map((option) => [keyOf(option), option]));
  for (const change of changes) {
    const { opt_value } = change;
    if (opt_value === null) merged.delete(keyOf(change));
    else merged.set(keyOf(change), { ...change, opt_value });
  }
  return [...merged.values()];
}
