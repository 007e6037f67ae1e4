/** Runs one of these benches' programs in network and mount namespaces of its own; it prints one JSON value as its last line. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { enterOwnNamespaces } from '../support/own-namespaces.ts';

export async function runInside<Result>(
  program: URL,
  args: readonly string[],
  say: (text: string) => void,
): Promise<Result> {
  const enter = enterOwnNamespaces();
  if (enter === null) throw new Error('needs root or user namespaces, and iproute2');
  const argv = [...enter, process.execPath, fileURLToPath(program), ...args];
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const end = () => child.kill();
  process.once('exit', end);
  let last = '';
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (last !== '') say(last);
    last = line;
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  process.off('exit', end);
  if (code !== 0) throw new Error(`the measuring program ended with ${code}: ${last}`);
  return JSON.parse(last) as Result;
}
