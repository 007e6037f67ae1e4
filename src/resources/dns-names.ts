/** Value types for DNS names. What passes may stand in a resolver's file: letters, digits, hyphens and dots only. */
import { display, isStorable, type ValueType } from './values.ts';

const MAX = 255;

/** Why this is neither a partial nor a full domain name (RFC 1123, 2.1), or undefined if it is one. */
function refusal(name: string): string | undefined {
  const bare = name.endsWith('.') ? name.slice(0, -1) : name;
  if (bare.length > MAX) return `'${display(bare)}' exceeds the ${MAX} character FQDN limit`;
  const labels = bare.split('.');
  for (const label of labels) {
    if (label === '') return 'Encountered an empty component';
    if (label.startsWith('-') || label.endsWith('-'))
      return `Name '${display(label)}' must not start or end with a hyphen`;
    if (!/^[a-z0-9-]{1,63}$/i.test(label))
      return `Name '${display(label)}' must be 1-63 characters long, each of which can only be alphanumeric or a hyphen`;
  }
  const last = labels.at(-1) as string;
  return labels.length > 1 && /^\d+$/.test(last) ? `TLD '${last}' must not be all numeric` : undefined;
}

function unfit(name: string): string | undefined {
  const reason = refusal(name);
  return reason && `'${display(name)}' not a valid PQDN or FQDN. Reason: ${reason}`;
}

/** Why there is no room for what will be joined to it, or undefined if there is. */
function tooLong(name: string, { room, what }: { room: number; what: string }): string | undefined {
  if (name.length <= MAX - room) return undefined;
  return `'${display(name)}' contains ${name.length} characters. Adding a ${what} will cause it to exceed the maximum length of a FQDN of '${MAX}'`;
}

function dnsType(check: (name: string) => string | undefined): ValueType {
  return {
    schema: { type: 'string', maxLength: MAX },
    read(value) {
      if (typeof value !== 'string' || !isStorable(value))
        return { reason: `Input value ${display(value)} must be string type`, conversion: true };
      const reason = value === '' ? undefined : check(value);
      return reason === undefined ? { value: value.toLowerCase() } : { reason };
    },
    filter: (given) => (isStorable(given) ? { value: given.toLowerCase() } : undefined),
  };
}

/** A port's name in its network; '' is none. */
export const dnsName: ValueType = dnsType(unfit);

/** The name of a floating IP, to which its domain comes; '' is none. */
export const floatingDnsName: ValueType = dnsType((name) => {
  if (name.endsWith('.')) return `'${display(name)}' is a FQDN. It should be a relative domain name`;
  return unfit(name) ?? tooLong(name, { room: 3, what: 'domain name' });
});

/** A domain, written with its trailing dot; '' is none. */
export const dnsDomain: ValueType = dnsType((name) => {
  if (!name.endsWith('.')) return `'${display(name)}' is not a FQDN`;
  return unfit(name) ?? tooLong(name, { room: 2, what: 'sub-domain' });
});
