/**
 * What a dashboard (Horizon) asks for before it shows the networks and instances of a project: each list as its member asks, one after
 * another and all at once, in a project with 2,000 ports.
 */
import type { HttpCaller } from './http-caller.ts';
import { quantile, round, timeEach } from './measure.ts';

const PORTS = 2_000;
const NETWORKS = 20;
const GROUPS = 20;
const FLOATING_IPS = 50;
const TIMES = 15;
const PROJECT = 'dashboard';

/** Horizon's openstack_dashboard/api/neutron.py: network_list_for_tenant, port_list_with_trunk_types, FloatingIpManager, SecurityGroupManager. */
const LISTS = [
  `networks?tenant_id=${PROJECT}&shared=False`,
  'networks?shared=True',
  'networks?router:external=True',
  'subnets',
  `ports?tenant_id=${PROJECT}`,
  `trunks?tenant_id=${PROJECT}`,
  `floatingips?tenant_id=${PROJECT}`,
  `security-groups?tenant_id=${PROJECT}`,
  `routers?tenant_id=${PROJECT}`,
];

type Call = HttpCaller['call'];

async function populate(call: Call): Promise<void> {
  const security_groups = Array.from({ length: GROUPS }, (_, at) => ({ name: `group ${at}` }));
  const made = await call('POST', '/v2.0/security-groups', { security_groups }, PROJECT);
  const groups: { id: string }[] = made.security_groups;
  for (const { id: security_group_id } of groups) {
    const security_group_rules = [22, 80, 443].map((port) => ({
      ...{ security_group_id, direction: 'ingress', protocol: 'tcp' },
      ...{ port_range_min: port, port_range_max: port },
    }));
    await call('POST', '/v2.0/security-group-rules', { security_group_rules }, PROJECT);
  }
  for (let at = 0; at < NETWORKS; at++) {
    const { network } = await call('POST', '/v2.0/networks', { network: {} }, PROJECT);
    const subnet = { network_id: network.id, ip_version: 4, cidr: '10.0.0.0/20' };
    await call('POST', '/v2.0/subnets', { subnet }, PROJECT);
    const ports = Array.from({ length: PORTS / NETWORKS }, (_, one) => ({
      network_id: network.id,
      name: `port ${one}`,
      security_groups: [groups[at % GROUPS]?.id, groups[(at + 1 + (one % (GROUPS - 1))) % GROUPS]?.id],
    }));
    await call('POST', '/v2.0/ports', { ports }, PROJECT);
  }
  const { network } = await call('POST', '/v2.0/networks', { network: { 'router:external': true } }, 'admin');
  const subnet = { network_id: network.id, ip_version: 4, cidr: '198.51.100.0/24' };
  await call('POST', '/v2.0/subnets', { subnet }, 'admin');
  for (let at = 0; at < FLOATING_IPS; at++)
    await call('POST', '/v2.0/floatingips', { floatingip: { floating_network_id: network.id } }, PROJECT);
}

export interface Page {
  readonly lists: readonly Readonly<Record<string, string | number>>[];
  readonly figures: Readonly<Record<string, number>>;
}

/** The token of its member is named as the project is; an admin's is `admin`. */
export async function measurePage({ call }: HttpCaller): Promise<Page> {
  await populate(call);
  const list = (one: string) => call('GET', `/v2.0/${one}`, undefined, PROJECT);
  const lists: Page['lists'][number][] = [];
  for (const one of LISTS) {
    const [rows = []] = Object.values(await list(one)) as unknown[][];
    const times = await timeEach(TIMES, () => list(one));
    const p50 = round(quantile(times, 0.5));
    lists.push({ list: one, rows: rows.length, p50_ms: p50, max_ms: round(Math.max(...times)) });
  }
  const inTurn = await timeEach(TIMES, async () => {
    for (const one of LISTS) await list(one);
  });
  const together = await timeEach(TIMES, () => Promise.all(LISTS.map(list)));
  return {
    lists,
    figures: {
      page_ports: PORTS,
      page_in_turn_p50_ms: round(quantile(inTurn, 0.5)),
      page_together_p50_ms: round(quantile(together, 0.5)),
      page_together_max_ms: round(Math.max(...together)),
    },
  };
}
