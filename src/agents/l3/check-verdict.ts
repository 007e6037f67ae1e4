/**
 * From single runs of a check to its verdict. A run says yes, no, or nothing: a script that could not be run, was ended by a
 * signal, or flooded its output says nothing of what it was to check, so it costs nothing and is told. Pure.
 */
import type { GuardedResult } from '../../host/host.ts';
import type { CheckScript } from './check-script.ts';

export type Answer = 'yes' | 'no' | 'nothing';

export interface Run {
  readonly answer: Answer;
  /** What it said, or why it says nothing; one line. */
  readonly text: string;
}

/** As a shell says that it could not run a program (POSIX, 2.8.2). */
const NOT_RUN = [126, 127];
const LONGEST_TEXT = 200;

/** The last line of what it wrote, without what does not print. */
function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/[^\x20-\x7e]/g, '').trim());
  return lines.findLast((line) => line !== '')?.slice(0, LONGEST_TEXT) ?? '';
}

/** What one run says. A hang is a no: what is checked mostly hangs with it. */
export function runOf(result: GuardedResult, script: Pick<CheckScript, 'timeoutMs'>): Run {
  const { ending, code, output } = result;
  const words = lastWords(output);
  const said = words === '' ? '' : `: ${words}`;
  switch (ending) {
    case 'exited':
      if (code === 0) return { answer: 'yes', text: words };
      if (NOT_RUN.includes(code))
        return { answer: 'nothing', text: `it could not be run (exit code ${code})${said}` };
      return { answer: 'no', text: words === '' ? `exit code ${code}` : words };
    case 'timed-out':
      return { answer: 'no', text: `no end within ${script.timeoutMs / 1000} s${said}` };
    case 'flooded':
      return { answer: 'nothing', text: 'it was ended because it wrote too much' };
    case 'signalled':
      return { answer: 'nothing', text: `it was ended by signal ${code - 128}${said}` };
    case 'not-started':
      return { answer: 'nothing', text: `it could not be begun${said}` };
  }
}

export type Standing = 'unknown' | 'passes' | 'fails' | 'broken';

export interface Verdict {
  readonly standing: Standing;
  /** When it began to stand so. */
  readonly since: number;
  /** The last runs in a row that said the same. */
  readonly row: { readonly answer: Answer; readonly count: number } | null;
  readonly text: string;
  /** The last runs, youngest first: + yes, - no, ? nothing. */
  readonly history: string;
}

const HISTORY = 20;
const SIGNS: Readonly<Record<Answer, string>> = { yes: '+', no: '-', nothing: '?' };
const STANDINGS: Readonly<Record<Answer, Standing>> = { yes: 'passes', no: 'fails', nothing: 'broken' };

export const freshVerdict = (now: number): Verdict => ({
  standing: 'unknown',
  since: now,
  row: null,
  text: '',
  history: '',
});

/** `fall` and `rise` in a row turn it; the first yes counts at once, for there is nothing that it could have flapped from. */
export function judge(
  verdict: Verdict,
  run: Run,
  { script, now }: { script: Pick<CheckScript, 'fall' | 'rise'>; now: number },
): Verdict {
  const count = verdict.row?.answer === run.answer ? verdict.row.count + 1 : 1;
  const row = { answer: run.answer, count };
  const history = (SIGNS[run.answer] + verdict.history).slice(0, HISTORY);
  const wanted = STANDINGS[run.answer];
  const isFirstYes = run.answer === 'yes' && verdict.standing === 'unknown';
  const needed = run.answer === 'yes' ? script.rise : script.fall;
  if (wanted === verdict.standing) return { ...verdict, row, text: run.text, history };
  if (!isFirstYes && count < needed) return { ...verdict, row, history };
  return { standing: wanted, since: now, row, text: run.text, history };
}
