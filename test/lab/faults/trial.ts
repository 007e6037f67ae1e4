/** One fault, once: brought about under the eyes of whoever asks for addresses, calls the API and looks for signs. */
import { realClock, sleep } from '../../../src/lib/clock.ts';
import { NotInTime } from '../../../src/lab/until.ts';
import type { Random } from '../../../src/lib/random.ts';
import type { DhcpPulse } from '../../support/dhcp-pulse.ts';
import { epochMs } from '../../support/dhcp-prober.ts';
import { addressOf } from '../stage.ts';
import { Caller } from './caller.ts';
import { askExplain } from './explain.ts';
import type { Fault, Trouble } from './fault.ts';
import type { Grounds } from './grounds.ts';
import { type Measured, remedyOf, seconds } from './measured.ts';
import { Signs } from './signs.ts';
import { PULSE_MS, seat, startPulse } from './subject.ts';
import { isConverged, type Picture, takePicture, whatIsWrong } from './world.ts';

export interface TrialOptions {
  readonly form: 'short' | 'long';
  readonly random: Random;
  readonly note: (text: string) => void;
}

/** How long the world may take to be as it should be, before the trial has failed. */
const PATIENCE_MS = 60_000;
const LOOK_MS = 50;
/** A pause between answers that a busy machine makes by itself. */
const ORDINARY_SILENCE_MS = 5 * PULSE_MS;

interface Watchers {
  readonly pulses: readonly DhcpPulse[];
  readonly signs: Signs;
  readonly caller: Caller;
}

/** Moments of a trial (`epochMs`); undefined: it has not come to that. */
interface Moments {
  causedAt: number;
  healedAt?: number;
  /** While the fault lasts: its consequences are dealt with. */
  copedAt?: number;
  mendedAt?: number;
  repairSeenAt?: number;
  explain?: string;
  /** What did not come true. */
  failure?: string;
}

/** Tries the fault. Throws only before it is brought about; what did not come true then is in the result (`error`). */
export async function tryFault(fault: Fault, grounds: Grounds, options: TrialOptions): Promise<Measured> {
  const { stage, subject, others, supervisor } = grounds;
  const trouble: Trouble = { stage, subject, others, supervisor, memory: new Map(), ...options };
  await until('all has converged before the fault', () => isConverged(stage, { hostIsLost: false }));
  await seat(stage, subject);
  await fault.prepare?.(trouble);
  const before = await takePicture(stage);
  const askers = subject.seats.filter(
    (one) => one === subject.asker || (fault.asksBesideServer && one.host === subject.server),
  );
  const watchers: Watchers = {
    pulses: await Promise.all(askers.map((one) => startPulse(stage, one))),
    signs: new Signs(stage),
    caller: new Caller(stage, subject.network),
  };
  const moments: Moments = { causedAt: 0 };
  try {
    await watchers.signs.start();
    await stage.until('addresses are given before the fault', () =>
      watchers.pulses.every((pulse) => pulse.answers.length > 3),
    );
    supervisor.started.length = 0;
    options.note(`${subject.server} serves, ${subject.asker.host} asks`);
    moments.causedAt = epochMs();
    await fault.cause(trouble);
    await goThrough(fault, { trouble, watchers, moments, before });
  } catch (error) {
    moments.failure = (error as Error).message;
  } finally {
    await Promise.all([...watchers.pulses, watchers.signs, watchers.caller].map((one) => one.stop()));
  }
  if (moments.failure === undefined) {
    try {
      await compare(fault, trouble, watchers);
    } catch (error) {
      moments.failure = (error as Error).message;
    }
  }
  if (moments.failure !== undefined) options.note(`FAILED: ${moments.failure}`);
  return judge(fault, { trouble, watchers, moments });
}

interface Course {
  readonly trouble: Trouble;
  readonly watchers: Watchers;
  readonly moments: Moments;
  readonly before: Picture;
}

/** From the cause until everything is well again. */
async function goThrough(fault: Fault, course: Course): Promise<void> {
  const { trouble, moments } = course;
  const explaining = explainSoon(fault, course);
  try {
    if (fault.lasts) {
      await last(fault, course, fault.lasts[trouble.form]);
      await explaining;
      const from = epochMs();
      const over = await fault.heal?.(trouble);
      moments.healedAt = typeof over === 'number' ? over : from;
      trouble.note(`the fault is over after ${seconds(moments.healedAt - moments.causedAt)} s`);
    }
    moments.mendedAt = await untilMended(fault, course, { hostIsLost: false });
    trouble.note(
      `all is well ${seconds(moments.mendedAt - (moments.healedAt ?? moments.causedAt))} s ${fault.lasts ? 'later' : 'after the cause'}`,
    );
  } finally {
    await explaining;
  }
}

/** Holds the fault for that long, and meanwhile for what must come true in spite of it. */
async function last(fault: Fault, course: Course, lastsS: number): Promise<void> {
  const { trouble, moments } = course;
  const over = new AbortController();
  const staying = sleep(realClock, lastsS * 1000, over.signal);
  try {
    await fault.meanwhile?.(trouble);
    if (fault.countedFrom === 'cause') {
      moments.copedAt = await untilMended(fault, course, { hostIsLost: fault.losesHost });
      trouble.note(`served in spite of it ${seconds(moments.copedAt - moments.causedAt)} s after the cause`);
    }
    await staying;
  } finally {
    over.abort();
  }
}

/**
 * Waits until the world is right, addresses are given, and the API says that all has converged, in this order; gives when.
 */
async function untilMended(fault: Fault, course: Course, parts: { hostIsLost: boolean }): Promise<number> {
  const { trouble, watchers, moments, before } = course;
  const { stage } = trouble;
  let rightAt = 0;
  const wrongUntil = await until('the hosts are as they should be', async () => {
    const at = epochMs();
    if (fault.isMended && !(await fault.isMended(trouble))) return false;
    if (parts.hostIsLost) return true;
    const wrong = await whatIsWrong(trouble, fault.losesHost || fault.mayMove ? undefined : before);
    if (wrong.length > 0) throw new Error(wrong.join('; '));
    rightAt = at;
    return true;
  });
  moments.repairSeenAt ??= rightAt;
  trouble.note(`the hosts are as they should be${wrongUntil}`);
  await until('addresses are given', () =>
    Promise.resolve(watchers.pulses.every((pulse) => pulse.answeredSince(rightAt))),
  );
  trouble.note('addresses are given');
  const owedUntil = await until('all that lives has converged', () => isConverged(stage, parts));
  trouble.note(`all has converged${owedUntil}`);
  return epochMs();
}

/** Gives what it has waited for last. */
async function until(what: string, look: () => Promise<boolean>): Promise<string> {
  const deadline = realClock.now() + PATIENCE_MS;
  let last = '';
  for (let because = ''; ; ) {
    try {
      if (await look()) return last;
      because = '';
    } catch (error) {
      because = ` (${(error as Error).message})`;
      last = because;
    }
    if (realClock.now() > deadline)
      throw new NotInTime(`not within ${PATIENCE_MS / 1000} s: ${what}${because}`);
    await sleep(realClock, LOOK_MS);
  }
}

/** Asks for the explanation once the fault shows, or half a second after it where nothing shows yet. */
async function explainSoon(fault: Fault, { trouble, watchers, moments }: Course): Promise<void> {
  const { stage } = trouble;
  const isShown = () => watchers.signs.firstAfter(moments.causedAt) !== undefined;
  const limitMs = fault.lasts ? fault.lasts[trouble.form] * 800 : 500;
  await stage.until('it shows', isShown, limitMs).catch((error) => {
    if (!(error instanceof NotInTime)) throw error;
  });
  const [kind, id] = (await fault.explain?.(trouble)) ?? ['network', trouble.subject.network.id];
  const told = await askExplain(stage, kind, id);
  // Once all is well there is nothing to explain.
  if (told === undefined || moments.mendedAt !== undefined) return;
  moments.explain = told;
  trouble.note(`explain ${kind}: ${told}`);
}

/** What must be so afterwards: leases for a real client, every acknowledged port there and served. */
async function compare(fault: Fault, trouble: Trouble, { caller }: Watchers): Promise<void> {
  const { stage, subject } = trouble;
  for (const { machine, port, host } of [subject.asker, subject.partner]) {
    await stage.until(`a client on ${host} gets its lease`, async () => {
      const given = await stage.askOnce(machine);
      if (given !== undefined && given !== addressOf(port)) throw new Error(`it got ${given}`);
      return given !== undefined;
    });
  }
  await fault.afterwards?.(trouble);
  if (fault.losesWrites) return;
  for (const port of caller.present) {
    await stage.showPort(port.id);
    await stage.untilServed(port);
  }
}

const shownByRepair = ({ isHarmless }: Fault) =>
  isHarmless
    ? { by: 'nothing', text: 'nothing was wrong' }
    : { by: 'repair', text: 'it was seen only by being mended' };

function judge(fault: Fault, course: Omit<Course, 'before'>): Measured {
  const { watchers, moments, trouble } = course;
  const { causedAt } = moments;
  const { caller, signs, pulses } = watchers;
  const after = (at: number | undefined, from = causedAt) =>
    at === undefined ? null : Math.max(0, Math.round(at - from) / 1000);
  const sign = signs.firstAfter(causedAt);
  const restarted = trouble.supervisor.started;
  const firstStart = restarted[0];
  const first = [
    ...(sign ? [{ at: sign.at, by: sign.by as string, text: sign.text }] : []),
    ...(firstStart ? [{ at: firstStart.at, by: 'supervisor', text: `${firstStart.name} had ended` }] : []),
    ...(moments.repairSeenAt ? [{ at: moments.repairSeenAt, ...shownByRepair(fault) }] : []),
  ].sort((a, b) => a.at - b.at)[0];
  const silences = pulses.flatMap((pulse) => pulse.longestSilence(causedAt) ?? []);
  const longest = silences.toSorted((a, b) => b.endedAt - b.beganAt - (a.endedAt - a.beganAt))[0];
  const endsOfSilence = silences
    .filter((one) => one.endedAt - one.beganAt > ORDINARY_SILENCE_MS)
    .map((one) => one.endedAt);
  const convergedAt = moments.copedAt ?? moments.mendedAt;
  const from = fault.countedFrom === 'cause' ? causedAt : (moments.healedAt ?? causedAt);
  const events = signs.events.filter((event) => event.seenAt > causedAt);
  return {
    fault: fault.name,
    detected_s: after(first?.at),
    detected_by: first?.by ?? null,
    detected_as: first?.text ?? null,
    converged_s: moments.failure === undefined ? after(convergedAt, from) : null,
    counted_from: fault.countedFrom,
    returned_s: moments.copedAt ? after(moments.mendedAt, moments.healedAt) : null,
    served_again_s: endsOfSilence.length > 0 ? after(Math.max(...endsOfSilence)) : 0,
    silence_s: silences.length < pulses.length ? null : after(longest?.endedAt, longest?.beganAt),
    silent_from_s: after(longest?.beganAt),
    remedy: remedyOf(fault, events, restarted),
    requests_failed: caller.failed,
    requests: caller.requests,
    complaints: [...caller.complaints],
    lasted_s: after(moments.healedAt) ?? 0,
    loses_host: fault.losesHost,
    explain: moments.explain ?? null,
    events: events.map((event) => `${seconds(event.seenAt - causedAt)} s ${event.kind}: ${event.message}`),
    ...(moments.failure === undefined ? {} : { error: moments.failure }),
  };
}
