/** Rows of IPv6: machines have their way out from the router's advertisements, and must never hear that it ends. */
import { moveAway, powerOff } from './deeds.ts';
import { eventRow, type HaEvent } from './event.ts';
import { powerOn, untilCalm } from './grounds.ts';
import type { Row, Trial } from './row.ts';
import { advertisersOf, defaultRoutes, type HeardSix, listenSix, type Six, withSix } from './six.ts';

type SixEvent = Omit<HaEvent, 'pinged'>;

function sixRow(event: SixEvent): Row {
  return {
    ...eventRow({ ...event, pinged: 'elsewhere' }),
    async measure(trial) {
      const active = await untilCalm(trial.grounds);
      const host = trial.grounds.seats.map((seat) => seat.host).findLast((one) => one !== active)!;
      return withSix(trial.grounds, host, (six) => measureSix(event, trial, six));
    },
  };
}

async function measureSix(event: SixEvent, trial: Trial, six: Six) {
  const { grounds, note } = trial;
  const { stage } = grounds;
  const routes = await defaultRoutes(stage.lab, six);
  const listened = await listenSix(grounds, six);
  const pinged = { host: six.machine.host.name, address: six.address };
  const sample = await eventRow({ ...event, pinged }).measure(trial);
  const complaints = [...sample.complaints];
  let heard: HeardSix | undefined;
  try {
    heard = await stage.until(
      'the one that is active now has advertised, and told where its addresses are',
      async () => {
        const now = await listened();
        if (now.advertisements === 0 || now.inside === 0 || now.outside === 0)
          throw new Error(JSON.stringify(now));
        return now;
      },
    );
  } catch (error) {
    complaints.push((error as Error).message);
  }
  const active = await untilCalm(grounds);
  const advertisers = await advertisersOf(grounds);
  const after = await defaultRoutes(stage.lab, six);
  note(`heard: ${JSON.stringify(heard ?? null)}; ${advertisers.join(', ')} advertises`);
  if (advertisers.join() !== active)
    complaints.push(`${advertisers.join(' and ') || 'nobody'} advertises, ${active} is active`);
  if (heard && heard.farewells > 0) complaints.push(`${heard.farewells} advertisements said farewell`);
  if (routes.length !== 1 || after.join() !== routes.join())
    complaints.push(
      `the machine's default route went by ${routes.join(', ')}, now by ${after.join(', ') || 'none'}`,
    );
  return { ...sample, also: { ...sample.also, ...heard }, complaints };
}

export const sixPlannedMove: Row = sixRow({
  name: 'ipv6-planned-move',
  summary:
    'an operator moves the active role; pings are IPv6, the machine has its route from the router’s advertisements',
  budget: { p50Ms: 30, maxMs: 100 },
  figure: 'silence',
  serves: 'another',
  lastsMs: { short: 300, long: 1_000 },
  cause: moveAway,
});

export const sixHostOff: Row = sixRow({
  name: 'ipv6-host-off',
  untested: 'host-off tells of the same failure, ipv6-planned-move of the same traffic',
  summary:
    'the active’s host loses its power; pings are IPv6, the machine has its route from the router’s advertisements',
  budget: { p50Ms: 350, maxMs: 500 },
  figure: 'moved',
  serves: 'another',
  lastsMs: { short: 300, long: 1_000 },
  cause: powerOff,
  heal: ({ grounds, active }) => powerOn(grounds, active),
});

export const ROWS_OF_SIX: readonly Row[] = [sixPlannedMove, sixHostOff];
