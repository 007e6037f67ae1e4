/** The open streams: by host, and by each group that they were told of. */
import type { Group } from '../resources/agent-view.ts';
import type { Scope } from './memory.ts';
import type { Stream } from './stream.ts';

export class Streams {
  readonly #byHost = new Map<string, Stream>();
  readonly #byGroup = new Map<Group, Set<Stream>>();

  get size(): number {
    return this.#byHost.size;
  }

  of(host: string): Stream | undefined {
    return this.#byHost.get(host);
  }

  /** Those that have the group in scope. */
  watching(group: Group): Iterable<Stream> {
    return this.#byGroup.get(group) ?? [];
  }

  isWatched(group: Group): boolean {
    return this.#byGroup.has(group);
  }

  hosts(): string[] {
    return [...this.#byHost.keys()];
  }

  groups(): Iterable<Group> {
    return this.#byGroup.keys();
  }

  all(): Stream[] {
    return [...this.#byHost.values()];
  }

  add(stream: Stream): void {
    this.#byHost.set(stream.host, stream);
    for (const name of stream.scope) this.#enter(stream, name);
  }

  /** false: it was not there any more, or another has taken its host's place. */
  remove(stream: Stream): boolean {
    for (const name of stream.scope) this.#leave(stream, name);
    return this.#byHost.get(stream.host) === stream && this.#byHost.delete(stream.host);
  }

  move(stream: Stream, scope: Scope): void {
    for (const name of stream.scope) if (!scope.has(name)) this.#leave(stream, name);
    for (const name of scope) if (!stream.scope.has(name)) this.#enter(stream, name);
    stream.scope = scope;
  }

  #enter(stream: Stream, name: Group): void {
    const streams = this.#byGroup.get(name);
    if (streams) streams.add(stream);
    else this.#byGroup.set(name, new Set([stream]));
  }

  #leave(stream: Stream, name: Group): void {
    const streams = this.#byGroup.get(name);
    streams?.delete(stream);
    if (streams?.size === 0) this.#byGroup.delete(name);
  }
}
