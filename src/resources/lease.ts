/** Who performs what only one server should. */
export interface LeaseRow {
  readonly name: string;
  /** The server; '' when it was given up. */
  holder: string;
  /** Grows with each new holder: who acted under an older one finds out. */
  term: number;
  /** Moved by the holder; others time it on their own clock. */
  beat: number;
}
