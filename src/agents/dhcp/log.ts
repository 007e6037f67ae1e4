/**
 * What dnsmasq's log says of the files that it read. Pure. dnsmasq 2.90 writes `read <path>` before it parses a file, then one
 * line `<reason> at line <n> of <path>` for each error; it does so in the order in which it reads, in one thread. So the
 * line for a later file proves that an earlier one is done, and whether it was accepted.
 */

export interface FileError {
  readonly path: string;
  readonly line: number;
  readonly reason: string;
}

const READ = /^.{15} dnsmasq(?:-dhcp)?\[\d+\]: read (\/\S+)/;
const ERROR = /^.{15} dnsmasq(?:-dhcp)?\[\d+\]: (.*) at line (\d+) of (\/\S+)$/;
const UNREADABLE =
  /^.{15} dnsmasq(?:-dhcp)?\[\d+\]: (?:cannot read|failed to load names from) (\/\S+): (.*)$/;

export interface Reading {
  /** Paths whose reading has begun. */
  readonly read: ReadonlySet<string>;
  readonly errors: readonly FileError[];
}

/** What the given stretch of the log says. An unfinished last line is left out. */
export function parseLog(text: string): Reading {
  const read = new Set<string>();
  const errors: FileError[] = [];
  for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
    const began = READ.exec(line);
    if (began) read.add(began[1] ?? '');
    const error = ERROR.exec(line);
    if (error) errors.push({ reason: error[1] ?? '', line: Number(error[2]), path: error[3] ?? '' });
    const unreadable = UNREADABLE.exec(line);
    if (unreadable) errors.push({ reason: unreadable[2] ?? '', line: 0, path: unreadable[1] ?? '' });
  }
  return { read, errors };
}

const lineFor = (path: string): string => `: read ${path}\n`;

/** How often the log says that a file was read. */
export const timesRead = (log: string, path: string): number => log.split(lineFor(path)).length - 1;

/** The log from the last complete start or reload on; '' if there was none. */
export function sinceReload(log: string, fencePath: string): string {
  const found = log.lastIndexOf(lineFor(fencePath));
  return found < 0 ? '' : log.slice(found + lineFor(fencePath).length);
}

/** The stretch of the log of the last complete start or reload: from the file that is read first to the one read last. */
export function lastReload(log: string, firstPath: string, fencePath: string): string {
  const to = log.lastIndexOf(lineFor(fencePath));
  if (to < 0) return '';
  const from = log.lastIndexOf(firstPath, to);
  return log.slice(Math.max(log.lastIndexOf('\n', from) + 1, 0), to);
}
