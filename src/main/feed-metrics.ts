import { Gauge, type Registry } from 'prom-client';
import type { Feed } from '../watch/feed.ts';

/** Shows the feed's own numbers; they are counted by the feed and read when asked for. */
export function registerFeedMetrics(registry: Registry, feed: Feed): void {
  const show = (name: string, help: string, read: () => number) => {
    registry.registerMetric(
      new Gauge({
        name: `deuteron_watch_${name}`,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  };
  show('position', 'Position of the change log that the feed has reached.', () => feed.metrics().position);
  show('streams', 'Open watches.', () => feed.metrics().streams);
  show('batches', 'Batches sent since the start.', () => feed.metrics().batches);
  show('bytes', 'Bytes of frames since the start.', () => feed.metrics().bytes);
  show('resumes', 'Watches that went on by deltas.', () => feed.metrics().resumes);
  show('refused', 'Watches refused for the time being.', () => feed.metrics().refused);
  show('digest_mismatches', 'Groups whose digest differed.', () => feed.metrics().mismatches);
  show('cycle_milliseconds', 'Duration of the last cycle.', () => feed.metrics().cycleMs);
  for (const reason of ['empty', 'lineage', 'behind'] as const) {
    show(
      `snapshots_${reason}`,
      `Watches compared group by group (${reason}).`,
      () => feed.metrics().snapshots[reason],
    );
  }
}
