/** The wires between hosts, and what of them is cut: by end and way, between two, or the switch itself. */
import type { Troubles } from '../troubles.ts';

export const WIRES = ['tunnel', 'management', 'external'] as const;
export type Wire = (typeof WIRES)[number];

/** From where it stands: what it sends, and what it is sent. */
export type End = 'out' | 'in';

export const cutName = (wire: Wire, host: string, end: End) => `${wire} ${end} ${host}`;
export const switchName = (wire: Wire) => `${wire} switch`;
/** Of a wire that fell in two, who is on the one side. */
export const sideName = (wire: Wire, who: string) => `${wire} side ${who}`;
/** The host and the others do not reach each other; servers they do. */
export const peersName = (wire: Wire, host: string) => `${wire} peers ${host}`;
/** Tunnels over a wire do not reach the host, nor what it sends by them anybody; its addresses answer. */
export const portName = (wire: Wire, host: string) => `${wire} port ${host}`;
/** A wire whose loss of light the host sees. */
export const darkName = (wire: Wire, host: string) => `${wire} dark ${host}`;

export class Underlay {
  readonly #troubles: Troubles;
  readonly #isHost: (who: string) => boolean;
  readonly #isOff: (who: string) => boolean;

  constructor(
    troubles: Troubles,
    { isHost, isOff }: { isHost: (who: string) => boolean; isOff: (who: string) => boolean },
  ) {
    this.#troubles = troubles;
    this.#isHost = isHost;
    this.#isOff = isOff;
  }

  /** Whether what `from` sends reaches `to`; both may be hosts or servers. */
  passes(wire: Wire, from: string, to: string): boolean {
    if (this.#isOff(from) || this.#isOff(to)) return false;
    const troubles = this.#troubles;
    const hasPeersCut = (host: string) => troubles.has(peersName(wire, host));
    const arePeers = this.#isHost(from) && this.#isHost(to);
    return !(
      (arePeers && (hasPeersCut(from) || hasPeersCut(to))) ||
      troubles.has(switchName(wire)) ||
      troubles.has(cutName(wire, from, 'out')) ||
      troubles.has(cutName(wire, to, 'in')) ||
      troubles.has(darkName(wire, from)) ||
      troubles.has(darkName(wire, to)) ||
      troubles.has(sideName(wire, from)) !== troubles.has(sideName(wire, to))
    );
  }

  /** The same of what goes inside a tunnel. */
  carries(wire: Wire, from: string, to: string): boolean {
    const isDropped = [from, to].some((host) => this.#troubles.has(portName(wire, host)));
    return !isDropped && this.passes(wire, from, to);
  }

  /** Both ways. */
  joins(wire: Wire, one: string, other: string): boolean {
    return this.passes(wire, one, other) && this.passes(wire, other, one);
  }

  isDark(wire: Wire, host: string): boolean {
    return this.#troubles.has(darkName(wire, host));
  }
}
