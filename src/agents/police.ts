/** What is too much is dropped: limits of QoS policies as nftables text, for the roles that keep such tables. Pure. */
import { createHash } from 'node:crypto';
import type { QosLimit } from '../resources/qos-body.ts';

/** Neutron's choice where none is asked for: 80 % of a second's worth. */
const DEFAULT_BURST = 0.8;
const BYTES = 125;
/** A machine hands over packets of up to this size, which are cut later: in a smaller bucket none would ever fit. */
const LARGEST_BYTES = 65_536;
/** nft keeps bursts in 32 bits. */
const MOST_PACKETS = 2 ** 32 - 1;

export const whole = (value: unknown, most: number): number =>
  Math.min(Math.max(Math.trunc(Number(value)) || 0, 0), most);

interface Amount {
  readonly rate: number;
  readonly burst: number;
}

function amount(most: number | undefined, burst: number | undefined, unit: number): Amount | null {
  const rate = whole(most, 2 ** 31) * unit;
  if (rate === 0) return null;
  return { rate, burst: whole(burst, 2 ** 31) * unit || Math.ceil(rate * DEFAULT_BURST) };
}

export const bytesOf = (limit: QosLimit | undefined) => amount(limit?.max_kbps, limit?.max_burst_kbps, BYTES);
const packetsOf = (limit: QosLimit | undefined) => amount(limit?.max_kpps, limit?.max_burst_kpps, 1000);

/** A bucket of the kernel's holds a second's worth and its burst. */
export function policeBytes(limit: QosLimit | undefined): string[] {
  const bytes = bytesOf(limit);
  if (bytes === null) return [];
  const burst = Math.max(bytes.burst - bytes.rate, LARGEST_BYTES);
  return [
    `limit rate over ${bytes.rate} bytes/second burst ${Math.min(burst, 2 ** 32 - 1)} bytes counter drop`,
  ];
}

export function policePackets(limit: QosLimit | undefined): string[] {
  const packets = packetsOf(limit);
  if (packets === null) return [];
  const rate = Math.min(packets.rate, 1e9);
  return [
    `limit rate over ${rate}/second burst ${Math.min(packets.burst, MOST_PACKETS)} packets counter drop`,
  ];
}

export interface QosRuleset {
  readonly mark: string;
  readonly text: string;
}

export const chain = (name: string, lines: readonly string[]): string =>
  `  chain ${name} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;

/** Jumps by what a packet has there; nothing where there is nowhere to jump to. */
export const dispatch = (by: string, jumps: readonly (readonly [key: string, to: string])[]): string[] =>
  jumps.length === 0 ? [] : [`${by} vmap { ${jumps.map(([key, to]) => `${key} : jump ${to}`).join(', ')} }`];

/** Makes the table be there and deletes it: works whether it was there or not. */
export const without = (table: string): string => `table ${table}\ndelete table ${table}\n`;

/** Text that replaces the table as a whole, and bears a mark of what is in it. */
export function marked(table: string, body: string): QosRuleset {
  const mark = `deuteron:${createHash('sha256').update(body).digest('hex').slice(0, 16)}`;
  return { mark, text: `${without(table)}table ${table} {\n  comment "${mark}"\n${body}}\n` };
}
