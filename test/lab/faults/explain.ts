/** `deuteron explain` as an operator asks it. */
import { fileURLToPath } from 'node:url';
import { apiSocket, serversOf } from '../../../src/lab/layout.ts';
import { runProgram } from '../../../src/lab/program.ts';
import { sleep, realClock } from '../../../src/lib/clock.ts';
import type { Stage } from '../stage.ts';

const PROGRAM = fileURLToPath(new URL('../../../bin/deuteron', import.meta.url));
/** An operator who hears nothing for so long asks another server. */
const PATIENCE_MS = 3_000;

/** What it says, as one line: by the first server that can, otherwise why none can; undefined where none answers. */
export async function askExplain(stage: Stage, kind: string, id: string): Promise<string | undefined> {
  let refusal: string | undefined;
  for (const server of serversOf(stage.lab.layout)) {
    const over = new AbortController();
    const argv = [PROGRAM, 'explain', kind, id, '--endpoint', `unix:${apiSocket(server)}`];
    const late = sleep(realClock, PATIENCE_MS, over.signal).then(() => over.abort());
    const said = await runProgram(argv, { signal: over.signal });
    over.abort();
    await late;
    if (said.code === 0) return oneLine(said.stdout);
    refusal ??= oneLine(said.stderr) || undefined;
  }
  return refusal;
}

const oneLine = (text: string) => text.trim().replaceAll(/\s*\n\s*/g, ' ');
