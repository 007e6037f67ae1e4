/** All rows of the table. */
import type { HaKind } from './grounds.ts';
import type { Row } from './row.ts';
import { ROWS_OF_ACTIVE } from './rows-active.ts';
import { ROWS_OF_FIREWALLS } from './rows-firewall.ts';
import { ROWS_OF_TWO } from './rows-forced.ts';
import { ROWS_OF_QUIET } from './rows-quiet.ts';
import { ROWS_OF_SERVERS } from './rows-servers.ts';
import { ROWS_OF_SIX } from './rows-six.ts';
import { ROWS_OF_SIZE } from './rows-size.ts';
import { tcpSurvives } from './rows-tcp.ts';

export const ROWS: readonly Row[] = [
  ...ROWS_OF_QUIET,
  ...ROWS_OF_SIZE,
  ...ROWS_OF_ACTIVE,
  ...ROWS_OF_SERVERS,
  ...ROWS_OF_SIX,
  tcpSurvives,
  ...ROWS_OF_TWO,
  ...ROWS_OF_FIREWALLS,
];

/** In this order labs come up. */
export const HA_KINDS: readonly HaKind[] = ['protected', 'one-path'];
