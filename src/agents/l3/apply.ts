/** Performs what `plan.ts` decided, through the host. */
import type { Host, LinkStep, StepResult } from '../../host/host.ts';
import type { Shortfall } from '../../reconcile/controller.ts';
import type { DesiredRouter } from './desired.ts';
import { TABLE } from './nftables.ts';
import { paths } from './observe.ts';
import type { Plan, Planned } from './plan.ts';

/** Before there is a link in the namespace: what links made later take over is in `default`. */
const SYSCTLS: Readonly<Record<string, string>> = {
  // First: it puts other parameters back.
  'net.ipv4.ip_forward': '1',
  'net.ipv6.conf.all.forwarding': '1',
  'net.ipv6.conf.default.forwarding': '1',
  // An address is answered for on its own link only.
  'net.ipv4.conf.all.arp_ignore': '1',
  'net.ipv4.conf.all.arp_announce': '2',
  // A machine that reaches its neighbour by a floating IP would be told to go there itself.
  'net.ipv4.conf.all.send_redirects': '0',
  'net.ipv4.conf.default.send_redirects': '0',
  'net.ipv4.conf.all.rp_filter': '0',
  'net.ipv4.conf.default.rp_filter': '0',
  // The old first address of a subnet goes without the others.
  'net.ipv4.conf.all.promote_secondaries': '1',
  'net.ipv4.conf.all.arp_notify': '1',
  'net.ipv6.conf.all.ndisc_notify': '1',
  'net.ipv6.conf.default.ndisc_notify': '1',
  'net.ipv6.conf.all.accept_ra': '0',
  'net.ipv6.conf.default.accept_ra': '0',
  'net.ipv6.conf.all.accept_dad': '0',
  'net.ipv6.conf.default.accept_dad': '0',
};

/** Of what keepalived decides over no link has an address that nobody gave it. */
const MUTE: Readonly<Record<string, string>> = { 'net.ipv6.conf.default.addr_gen_mode': '1' };

export interface Applied {
  readonly shortfalls: readonly Shortfall[];
  /** What is in the table's maps now is what was wanted. */
  readonly ruled: boolean;
}

/** The first failure of an object is the cause of those that follow. */
class Failures {
  readonly byObject = new Map<string, Shortfall>();

  collect(planned: readonly Planned<unknown>[], results: readonly StepResult[]): void {
    for (const [index, reason] of results.entries())
      if (reason !== null) this.add(planned[index]?.object ?? '', reason);
  }

  add(object: string, reason: string): void {
    if (!this.byObject.has(object)) this.byObject.set(object, { object, state: 'failed', reason });
  }
}

/**
 * Throws where not even a namespace can be had. `mayGoOn`: links in the namespace wait for it, but the table does not; false:
 * they stay as they are.
 */
export async function applyPlan(
  host: Host,
  desired: DesiredRouter,
  { plan, mayGoOn }: { readonly plan: Plan; readonly mayGoOn: Promise<boolean> | null },
): Promise<Applied> {
  const { namespace, id } = desired;
  const failures = new Failures();
  const change = async (
    inside: string | null,
    planned: readonly Planned<LinkStep>[],
    mayBegin?: Promise<boolean>,
  ) => {
    if (planned.length === 0) return;
    const steps = planned.map(({ step }) => step);
    failures.collect(planned, await host.changeLinks(inside, steps, mayBegin));
  };
  if (plan.makeNamespace) {
    await host.writeFile(paths(id).mark, '');
    await host.ensureNamespace(namespace);
  }
  if (plan.prepare) await host.setSysctls(namespace, desired.ha ? { ...SYSCTLS, ...MUTE } : SYSCTLS);
  // Rules before links: nothing is forwarded without them. Where the links are, both at once.
  const ruling = rule(host, namespace, plan.ruleset).then((reason) => {
    if (reason !== null) failures.add('', reason);
    return reason === null;
  });
  if (plan.prepare) await ruling;
  await change(namespace, plan.leavings);
  await change(null, plan.outer);
  await change(namespace, plan.inner, mayGoOn ?? undefined);
  const ruled = await ruling;
  const steps = plan.routes.map(({ step }) => step);
  if (steps.length > 0) failures.collect(plan.routes, await host.changeRoutes(namespace, steps));
  return { shortfalls: [...failures.byObject.values()], ruled };
}

/** null: the table is as wanted. */
async function rule(host: Host, namespace: string, text: string): Promise<string | null> {
  if (text === '') return null;
  try {
    await host.applyRuleset(namespace, text);
    return null;
  } catch (error) {
    return `${TABLE}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The script is fixed; each argument holds the words of one `conntrack -D`. Nothing to delete is code 1, as a failure is. */
const CUT = 'for f in "$@"; do conntrack -D $f > /dev/null 2>&1; done; command -v conntrack > /dev/null';

/** null: what is tracked of connections over these is gone. */
export async function cut(host: Host, namespace: string, cuts: readonly string[]): Promise<string | null> {
  const { code } = await host.runProgram(namespace, ['sh', '-c', CUT, 'sh', ...cuts]);
  return code === 0 ? null : 'connections over removed NAT entries go on: there is no conntrack(8)';
}
