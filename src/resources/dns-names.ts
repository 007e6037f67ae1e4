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
export const dnsName: ValueType = dnsType((name) => {
  const reason = refusal(name);
  return reason && `'${display(name)}' not a valid PQDN or FQDN. Reason: ${reason}`;
});

/** A domain, written with its trailing dot; '' is none. */
export const dnsDomain: ValueType = dnsType((name) => {
  if (!name.endsWith('.')) return `'${display(name)}' is not a FQDN`;
  const reason = refusal(name);
  return reason && `'${display(name)}' not a valid PQDN or FQDN. Reason: ${reason}`;
});
