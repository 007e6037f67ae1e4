import type { StepResult } from '../host.ts';
import { complaint, type Finished, type Spawner } from './spawner.ts';

/**
 * Runs lines through `ip -batch` or `bridge -batch` in one process and gives each line its own result. With `-force` the
 * tool goes on after a failure and writes `Command failed -:N` behind the complaints of line N. `mayBegin`: lines are handed over
 * once it resolves; false: none are.
 */
export async function runBatch(
  spawner: Spawner,
  program: readonly string[],
  lines: readonly string[],
  mayBegin?: Promise<boolean>,
): Promise<StepResult[]> {
  if (lines.length === 0) return [];
  const text = `${lines.join('\n')}\n`;
  const finished = await spawner.run([...program, '-force', '-batch', '-'], {
    input: mayBegin?.then((may) => (may ? text : '')) ?? text,
  });
  return resultsOf(finished, lines.length);
}

export function resultsOf(finished: Finished, lineCount: number): StepResult[] {
  const results: StepResult[] = new Array<StepResult>(lineCount).fill(null);
  if (finished.code === 0) return results;
  let complaints: string[] = [];
  let explained = false;
  for (const line of finished.stderr.split('\n')) {
    const failed = /^Command failed -:(\d+)$/.exec(line.trim());
    const index = failed ? Number(failed[1]) - 1 : -1;
    if (failed && index >= 0 && index < lineCount) {
      results[index] = complaints.join('; ') || 'failed';
      complaints = [];
      explained = true;
    } else if (line.trim() !== '') complaints.push(line.trim());
  }
  // Killed, or never ran: nothing is known of any line.
  if (!explained || finished.code === -1) return results.map((result) => result ?? complaint(finished));
  return results;
}
