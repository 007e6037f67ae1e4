/** The wires between hosts, and what of them is cut: by end and way, between two, or the switch itself. */
import type { Troubles } from '../troubles.ts';

export const WIRES = ['tunnel', 'management', 'external'] as const;
export type Wire = (typeof WIRES)[number];

/** From where it stands: what it sends, and what it is sent. */
export type End = 'out' | 'in';

export const cutName = (wire: Wire, host: string, end: End) => `${wire} ${end} ${host}`;
export const switchName = (wire: Wire) => `${wire} switch`;
export const betweenName = (wire: Wire, from: string, to: string) => `${wire} ${from}>${to}`;
/** A wire whose loss of light the host sees. */
export const darkName = (wire: Wire, host: string) => `${wire} dark ${host}`;

export class Underlay {
  readonly #troubles: Troubles;
  readonly #isOff: (host: string) => boolean;

  constructor(troubles: Troubles, isOff: (host: string) => boolean) {
    this.#troubles = troubles;
    this.#isOff = isOff;
  }

  /** Whether what `from` sends reaches `to`; both may be hosts or servers. */
  passes(wire: Wire, from: string, to: string): boolean {
    if (this.#isOff(from) || this.#isOff(to)) return false;
    const troubles = this.#troubles;
    return !(
      troubles.has(switchName(wire)) ||
      troubles.has(cutName(wire, from, 'out')) ||
      troubles.has(cutName(wire, to, 'in')) ||
      troubles.has(darkName(wire, from)) ||
      troubles.has(darkName(wire, to)) ||
      troubles.has(betweenName(wire, from, to))
    );
  }

  /** Both ways. */
  joins(wire: Wire, one: string, other: string): boolean {
    return this.passes(wire, one, other) && this.passes(wire, other, one);
  }

  isDark(wire: Wire, host: string): boolean {
    return this.#troubles.has(darkName(wire, host));
  }
}
