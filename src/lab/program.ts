/** Short programs: run to their end, with what they said. */
import { spawn } from 'node:child_process';

export interface ProgramResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  /** Text for its standard input. */
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly signal?: AbortSignal;
}

/** Runs it; resolves whatever its exit code is. A program that cannot be started has code 127, one killed by a signal 128. */
export function runProgram(argv: readonly string[], options: ProgramOptions = {}): Promise<ProgramResult> {
  const [file, ...args] = argv as [string, ...string[]];
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      ...(options.signal ? { signal: options.signal, killSignal: 'SIGKILL' as const } : {}),
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let failure = '';
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => {
      failure = error.message;
      // Only a program that never ran has no 'close'.
      if (child.pid === undefined) resolve({ code: 127, stdout: '', stderr: failure });
    });
    child.on('close', (code) => {
      const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString();
      resolve({ code: code ?? 128, stdout: text(out), stderr: text(err) + failure });
    });
    // It may end without reading its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
  });
}

/** Runs it and gives its output; throws with what it said on standard error if it fails. */
export async function mustRun(argv: readonly string[], options: ProgramOptions = {}): Promise<string> {
  const result = await runProgram(argv, options);
  if (result.code === 0) return result.stdout;
  const said = result.stderr.trim() || result.stdout.trim() || 'it said nothing';
  throw new Error(`${argv.join(' ')} failed (${result.code}): ${said}`);
}
