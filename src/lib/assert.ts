/** A broken invariant of our own. It ends the process (the supervisor restarts it): never thrown for bad input. */
export class Bug extends Error {
  override readonly name = 'Bug';
}

/** States what must hold here. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new Bug(what);
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new Bug(`unreachable: ${JSON.stringify(value)}`);
}
