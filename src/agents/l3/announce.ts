/**
 * Tells the neighbours where an address is now: gratuitous ARP (RFC 5227, 3) and unsolicited neighbour advertisements
 * (RFC 4861, 7.2.6), at once and, since a frame may be lost or a switch not be ready, three more times.
 */
import type { Host } from '../../host/host.ts';
import type { Clock } from '../../lib/clock.ts';
import type { News } from './plan.ts';

/** After the first. */
const AGAIN_MS = [50, 200, 500] as const;
/** More addresses than this are announced by the kernel, which tells of all that the link has. */
const FEW = 8;

interface Series extends News {
  readonly mac: string;
  /** null: the first is still to come. */
  begunAt: number | null;
  sent: number;
}

/** The script is fixed; link and addresses go in as arguments. arping(8) sends at once and lingers for a second. */
const ARPING = `l=$1 how=$2; shift 2; for a in "$@"; do arping -q "$how" -c 1 -I "$l" "$a" > /dev/null 2>&1 & done`;

/** What one router has still to tell. */
export class Announcements {
  readonly #host: Host;
  readonly #clock: Clock;
  readonly #namespace: string;
  #series: Series[] = [];

  constructor(host: Host, clock: Clock, namespace: string) {
    this.#host = host;
    this.#clock = clock;
    this.#namespace = namespace;
  }

  add(news: News, mac: string): void {
    if (news.addresses === null) this.#series = this.#series.filter((series) => series.link !== news.link);
    this.#series.push({ ...news, mac, begunAt: null, sent: 0 });
  }

  /**
   * Sends what is due. `isWired`: the link's other end is where somebody hears it; until then nothing is sent. Says in how
   * many ms the next is due; null: none, or none before a link is wired.
   */
  async send(isWired: (link: string) => boolean): Promise<number | null> {
    const now = this.#clock.now();
    const due = this.#series.filter((series) => isWired(series.link) && dueIn(series, now) <= 0);
    await Promise.all(due.map((series) => this.#tell(series)));
    for (const series of due) {
      series.begunAt ??= now;
      series.sent += 1;
    }
    this.#series = this.#series.filter((series) => series.sent <= AGAIN_MS.length);
    const waits = this.#series.filter(({ link }) => isWired(link)).map((series) => dueIn(series, now));
    return waits.length === 0 ? null : Math.max(0, Math.min(...waits));
  }

  /** A failure is not the router's: the addresses are there, and asked for they answer. */
  async #tell({ link, mac, addresses, sent }: Series): Promise<void> {
    const some = (addresses ?? []).map((address) => address.split('/')[0] ?? '');
    if (addresses === null || addresses.length > FEW || some.some((address) => address.includes(':'))) {
      await this.#host.changeLinks(this.#namespace, [{ op: 'announce', name: link, mac }]);
      return;
    }
    // Some neighbours learn from requests only, some from answers only.
    const how = sent % 2 === 0 ? '-U' : '-A';
    await this.#host.runProgram(this.#namespace, ['sh', '-c', ARPING, 'sh', link, how, ...some]);
  }
}

function dueIn({ begunAt, sent }: Series, now: number): number {
  return begunAt === null ? 0 : begunAt + (AGAIN_MS[sent - 1] ?? 0) - now;
}
