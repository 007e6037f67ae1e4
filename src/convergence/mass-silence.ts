/**
 * Whether so many hosts are silent at once that the fault is more likely between them and us than theirs: a third of the
 * fleet, or of a zone. Then nothing is moved, for it would move everything onto the rest, and back.
 */

/** Below this many, a third may well be one host that died (a fleet of two or three). */
const FEWEST = 3;

/** `fleet`, or `zone/NAME`. */
export type Area = string;

export const FLEET: Area = 'fleet';
export const zoneArea = (zone: string): Area => `zone/${zone}`;

export interface Silence {
  readonly area: Area;
  readonly silent: number;
  readonly hosts: number;
}

/** Of how many hosts that many would be a mass. */
export const massOf = (hosts: number): number => Math.max(FEWEST, Math.ceil(hosts / 3));

/**
 * The areas where a mass is silent: `fleet` hosts by zone, `silent` the zone of each host that is silent now or died just
 * now, `gone` the zone of each that has been dead for long (it counts for nothing).
 */
export function massSilences(
  fleet: ReadonlyMap<string, number>,
  { silent, gone }: { readonly silent: readonly string[]; readonly gone: readonly string[] },
): Silence[] {
  const hosts = new Map(fleet);
  for (const zone of gone) hosts.set(zone, (hosts.get(zone) ?? 0) - 1);
  const quiet = new Map<string, number>();
  for (const zone of silent) quiet.set(zone, (quiet.get(zone) ?? 0) + 1);
  const all: Silence = {
    area: FLEET,
    silent: silent.length,
    hosts: [...hosts.values()].reduce((sum, count) => sum + count, 0),
  };
  const zones = [...quiet].map(([zone, count]) => ({
    ...{ area: zoneArea(zone), silent: count, hosts: hosts.get(zone) ?? 0 },
  }));
  const isMass = (one: Silence) => one.silent >= massOf(one.hosts);
  // the fleet's says it all
  return isMass(all) ? [all] : zones.filter(isMass);
}

/** Whether a host of that zone lies in the area. */
export const isWithin = (area: Area, zone: string): boolean => area === FLEET || area === zoneArea(zone);
