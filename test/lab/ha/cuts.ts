/** Cuts between replicas that a lab's own cuts do not have: of a whole segment, and between hosts only. */
import type { Cut } from '../../../src/lab/cuts.ts';
import type { Lab } from '../../../src/lab/lab.ts';
import { hostsOf, linkOn, type Segment } from '../../../src/lab/layout.ts';
import { mustRun } from '../../../src/lab/program.ts';

/** Cuts the hosts off the segments, at once. */
export async function cutHosts(
  lab: Lab,
  hosts: readonly string[],
  what: { readonly segments: readonly Segment[]; readonly kind: Cut['kind'] },
): Promise<void> {
  const { segments, kind } = what;
  await lab.cut(
    ...hosts.flatMap((node) => segments.map((segment): Cut => ({ node, segment, kind, direction: 'both' }))),
  );
}

const TABLE = 'bridge deuteron-apart';

async function applyRules(lab: Lab, rules: readonly string[]): Promise<void> {
  const { ground, layout } = lab.place;
  const argv = [...ground.enter, 'nsenter', `--net=/run/netns/${layout.switchNamespace}`, '--'];
  const chain = ['  chain apart {', '    type filter hook forward priority 0;', ...rules, '  }'];
  const input = [`table ${TABLE}`, `delete table ${TABLE}`, `table ${TABLE} {`, ...chain, '}', ''].join('\n');
  await mustRun([...argv, 'sh', '-c', 'cat | nft -f -'], { input });
}

/** Nothing passes between hosts on those segments any more; servers, which are on the management segment, are reached. */
export async function keepHostsApart(lab: Lab, segments: readonly Segment[]): Promise<void> {
  const rules = segments.map((segment) => {
    const ports = hostsOf(lab.layout)
      .map((host) => `"${linkOn(host, segment).switchPort}"`)
      .join(', ');
    return `    iifname { ${ports} } oifname { ${ports} } drop`;
  });
  await applyRules(lab, rules);
}

export const letHostsMeet = (lab: Lab): Promise<void> => applyRules(lab, []);
