/**
 * One VRRP instance as keepalived 2.2 runs it: the state machine of RFC 5798, 6.4, with preemption. Knows no host and no
 * network: its owner tells it what came, and does what it asks for.
 *
 * Where keepalived goes beyond the RFC: a primary that hears a lower priority answers with an advert of its own at once; an
 * instance whose link or script is bad is in `fault`, takes no part, and begins anew as a backup.
 */
export type VrrpState = 'off' | 'fault' | 'backup' | 'primary';

export interface Advert {
  /** 0: the sender leaves (RFC 5798, 5.2.4). */
  readonly priority: number;
  /** The sender's own address on the segment, by which equal priorities are told apart. */
  readonly source: number;
  readonly advertMs: number;
}

export interface VrrpOwner {
  send(advert: Advert): void;
  /** The state is another now; called after it has changed. */
  became(state: VrrpState): void;
}

export interface VrrpSettings {
  readonly advertMs: number;
  readonly source: number;
}

/** Adverts that may be missed (RFC 5798, 6.1: Master_Down_Interval). */
const MISSED = 3;

export class Vrrp {
  state: VrrpState = 'off';
  /** When the timer ends; what it means depends on the state. */
  deadline = Number.POSITIVE_INFINITY;
  /** When the last advert of another was taken. */
  heardAt = Number.NEGATIVE_INFINITY;
  #priority: number;
  /** As the primary of the moment says it; until one is heard, our own. */
  #primaryAdvertMs: number;
  readonly #settings: VrrpSettings;
  readonly #owner: VrrpOwner;

  constructor(settings: VrrpSettings, priority: number, owner: VrrpOwner) {
    this.#settings = settings;
    this.#priority = priority;
    this.#primaryAdvertMs = settings.advertMs;
    this.#owner = owner;
  }

  get priority(): number {
    return this.#priority;
  }

  /** RFC 5798, 6.1: Skew_Time. */
  get skewMs(): number {
    return ((256 - this.#priority) * this.#primaryAdvertMs) / 256;
  }

  get #downMs(): number {
    return MISSED * this.#primaryAdvertMs + this.skewMs;
  }

  /** Takes part from now on, as a backup, or in fault until `recover`. */
  start(now: number, isFit: boolean): void {
    if (isFit) this.#toBackup(now);
    else this.#to('fault');
  }

  /** Ends in order: says goodbye, lets go. */
  stop(): void {
    if (this.state === 'primary') this.#advertise(0);
    this.#to('off');
  }

  fail(): void {
    if (this.state === 'off' || this.state === 'fault') return;
    if (this.state === 'primary') this.#advertise(0);
    this.#to('fault');
  }

  recover(now: number): void {
    if (this.state === 'fault') this.#toBackup(now);
  }

  /** A backup waits longer or less long at once. */
  setPriority(priority: number): void {
    const before = this.skewMs;
    this.#priority = Math.max(1, Math.min(254, priority));
    if (this.state === 'backup') this.deadline += this.skewMs - before;
  }

  /** Time has reached `deadline`. */
  expire(now: number): void {
    if (now < this.deadline) return;
    if (this.state === 'backup') {
      this.#advertise(this.#priority);
      this.deadline = now + this.#settings.advertMs;
      this.#to('primary');
    } else if (this.state === 'primary') {
      this.#advertise(this.#priority);
      this.deadline = now + this.#settings.advertMs;
    }
  }

  hear(advert: Advert, now: number): void {
    if (this.state === 'backup') this.#hearAsBackup(advert, now);
    else if (this.state === 'primary') this.#hearAsPrimary(advert, now);
  }

  #hearAsBackup({ priority, advertMs }: Advert, now: number): void {
    this.heardAt = now;
    if (priority === 0) {
      this.deadline = now + this.skewMs;
    } else if (priority >= this.#priority) {
      this.#primaryAdvertMs = advertMs;
      this.deadline = now + this.#downMs;
    }
  }

  #hearAsPrimary(advert: Advert, now: number): void {
    this.heardAt = now;
    const { priority, source } = advert;
    const isAbove =
      priority > this.#priority || (priority === this.#priority && source > this.#settings.source);
    if (isAbove) {
      this.#primaryAdvertMs = advert.advertMs;
      this.#toBackup(now);
    } else if (priority < this.#priority) {
      this.#advertise(this.#priority);
      this.deadline = now + this.#settings.advertMs;
    }
  }

  #toBackup(now: number): void {
    this.deadline = now + this.#downMs;
    this.#to('backup');
  }

  #advertise(priority: number): void {
    const { source, advertMs } = this.#settings;
    this.#owner.send({ priority, source, advertMs });
  }

  #to(state: VrrpState): void {
    if (this.state === state) return;
    this.state = state;
    if (state === 'off' || state === 'fault') this.deadline = Number.POSITIVE_INFINITY;
    this.#owner.became(state);
  }
}
