/** What was done to a host by its fence device. One row a host; `number` counts the actions of the whole cloud. */
export interface FencingRow {
  readonly host: string;
  /** Of the last action on this host, among all on all hosts: the greatest is the last of all. */
  number: number;
  state: FencingState;
  /** The server that acts, or acted. */
  server_id: string;
  /** When it began (UTC), for display. */
  at: string;
}

export type FencingState =
  /** It was begun, and how it ended is not known yet. */
  | 'acting'
  /** The device says that the power is off. */
  | 'off'
  /** The device does not say so, or not in time; or the server that acted is gone. */
  | 'failed'
  /** The host was heard again before anything was done to it. */
  | 'spared'
  /** The host was heard again after it was off. */
  | 'over';

/** What a host's fence device said when it was last asked in ordinary times. */
export interface FenceCheckRow {
  readonly host: string;
  /** It said that the host is on. */
  ok: boolean;
  /** Since when that is so, and when it was last asked (UTC, for display). */
  since: string;
  at: string;
  /** What it said, or what is wrong. */
  message: string;
}
