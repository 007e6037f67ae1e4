import { relativePath } from '../grammar.ts';

/** Files below a state directory that exists nowhere. Paths here are absolute, as programs see them. */
export class FakeFiles {
  readonly root: string;
  readonly #texts = new Map<string, string>();
  readonly #onChange: (path: string) => void;
  /** By directory: names that are not followed. */
  readonly #watched = new Map<string, ReadonlySet<string>>();

  /** `onChange` hears of every file that is written, appended to or removed, after it happened. */
  constructor(root: string, onChange: (path: string) => void) {
    this.root = root;
    this.#onChange = onChange;
  }

  absolute(path: string): string {
    return `${this.root}/${relativePath(path)}`;
  }

  /** From now on `isWatched` is true of what is in the directory, but for the names that are ignored. */
  watch(directory: string, ignored: readonly string[]): void {
    this.#watched.set(directory, new Set(ignored));
  }

  isWatched(path: string): boolean {
    const slash = path.lastIndexOf('/');
    const ignored = this.#watched.get(path.slice(0, slash));
    return ignored !== undefined && !ignored.has(path.slice(slash + 1));
  }

  read(path: string): string | null {
    return this.#texts.get(path) ?? null;
  }

  write(path: string, text: string): void {
    this.#texts.set(path, text);
    this.#onChange(path);
  }

  append(path: string, text: string): void {
    this.write(path, (this.read(path) ?? '') + text);
  }

  remove(path: string): void {
    if (this.#texts.delete(path)) this.#onChange(path);
  }

  /** Names of what lies directly in a directory, sorted. */
  list(directory: string): string[] {
    const names = new Set<string>();
    for (const path of this.#texts.keys()) {
      if (path.startsWith(`${directory}/`)) names.add(path.slice(directory.length + 1).split('/')[0] ?? '');
    }
    return [...names].sort();
  }

  removeTree(directory: string): void {
    for (const path of [...this.#watched.keys()])
      if (path === directory || path.startsWith(`${directory}/`)) this.#watched.delete(path);
    for (const path of [...this.#texts.keys()]) if (path.startsWith(`${directory}/`)) this.remove(path);
  }
}
