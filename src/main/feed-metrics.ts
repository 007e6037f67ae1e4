import type { Registry } from 'prom-client';
import type { Feed } from '../watch/feed.ts';
import { by, type Reading, show } from './shown.ts';

/** Shows the feed's own numbers; they are counted by the feed and read when asked for. */
export function registerFeedMetrics(registry: Registry, feed: Feed): void {
  const gauge = (name: string, help: string, read: () => number) =>
    show(registry, { type: 'gauge', name: `deuteron_watch_${name}`, help, read });
  const counter = (name: string, help: string, read: () => Reading, labels: readonly string[] = []) =>
    show(registry, { type: 'counter', name: `deuteron_watch_${name}_total`, help, labels, read });
  gauge('position', 'Position of the change log that the feed has reached.', () => feed.metrics().position);
  gauge('streams', 'Open watches.', () => feed.metrics().streams);
  gauge('joining', 'Agents that wait for their watch to be granted.', () => feed.metrics().joining);
  gauge('waiting_bytes', 'What is kept for slow readers.', () => feed.metrics().ringBytes);
  gauge('cycle_seconds', 'Duration of the last cycle.', () => feed.metrics().cycleMs / 1000);
  gauge(
    'audit_period_seconds',
    'Time in which the digest of every watched group is sent once.',
    () => feed.metrics().auditPeriodMs / 1000,
  );
  counter('batches', 'Batches sent.', () => feed.metrics().batches);
  counter('bytes', 'Bytes of frames.', () => feed.metrics().bytes);
  counter('resumes', 'Watches that went on by deltas.', () => feed.metrics().resumes);
  counter('refused', 'Watches refused for the time being.', () => feed.metrics().refused);
  counter(
    'resyncs',
    'Watches compared group by group, by reason.',
    () => by('reason', feed.metrics().snapshots),
    ['reason'],
  );
  counter('digest_mismatches', 'Groups whose digest differed.', () => feed.metrics().mismatches);
  counter('lineages', 'Times that the log was found to be another one.', () => feed.metrics().lineages);
  counter('cuts', 'Watches that the server cut, by reason.', () => by('reason', feed.metrics().cuts), [
    'reason',
  ]);
}
