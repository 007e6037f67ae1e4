/** What the feeds of a lab's servers have counted, from their metrics. */
import { request } from 'node:http';
import { apiSocket } from '../../src/lab/layout.ts';
import type { Stage } from './stage.ts';

export type Counts = Readonly<Record<'resumes' | 'snapshots' | 'mismatches', number>>;

/** What a server's feed has counted in this life. */
export async function countsOf(stage: Stage, server: string): Promise<Counts> {
  const text = await new Promise<string>((resolve, reject) => {
    const socketPath = apiSocket(stage.lab.node(server));
    request({ socketPath, path: '/metrics', agent: false }, (response) => {
      let all = '';
      response.setEncoding('utf8');
      response.on('data', (more: string) => {
        all += more;
      });
      response.on('end', () => resolve(all));
      response.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
  const sum = (pattern: RegExp) =>
    [...text.matchAll(pattern)].reduce((total, match) => total + Number(match[1]), 0);
  return {
    resumes: sum(/^deuteron_watch_resumes_total (\d+)/gm),
    snapshots: sum(/^deuteron_watch_resyncs_total\{[^}]*\} (\d+)/gm),
    mismatches: sum(/^deuteron_watch_digest_mismatches_total (\d+)/gm),
  };
}

export const plus = (a: Counts, b: Counts, sign: 1 | -1): Counts => ({
  resumes: a.resumes + sign * b.resumes,
  snapshots: a.snapshots + sign * b.snapshots,
  mismatches: a.mismatches + sign * b.mismatches,
});

export const NO_COUNTS: Counts = { resumes: 0, snapshots: 0, mismatches: 0 };
