/** How frames and reports are carried, apart from what they say: HTTP in `client.ts`, a seeded network in simulation. */
import type { Frame, Report, ReportAnswer, WatchRequest } from './protocol.ts';

/** Why a watch ended or could not be opened. */
export interface WatchEnd {
  readonly reason: string;
  /** The server asked to wait that long. */
  readonly retryAfterMs?: number;
}

export interface WatchListener {
  onFrame(frame: Frame): void;
  /** Once, after the last frame; never after `close`. */
  onEnd(end: WatchEnd): void;
}

export interface Transport {
  /** Number of servers; each is named by its number below that. */
  readonly servers: number;
  /**
   * Opens a watch; the returned function closes it, after which the listener hears nothing more. Nothing is heard
   * before `connect` has returned.
   */
  connect(server: number, request: WatchRequest, listener: WatchListener): () => void;
  /**
   * Delivers a report to that server. Rejects if it did not arrive, or was refused; and once `signal` aborts, whatever became of it.
   */
  report(server: number, report: Report, signal?: AbortSignal): Promise<ReportAnswer>;
}
