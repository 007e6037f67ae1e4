/** One sample of each resource with standard attributes: what a member of the project `red` may create, several times (or an admin for it). */
import type { ApiUnderTest } from './api-under-test.ts';

export type Samples = Readonly<Record<string, () => object | Promise<object>>>;

/** Makes what they need of others, and gives what makes the body of each, by plural. */
export async function makeSamples(api: Pick<ApiUnderTest, 'make'>): Promise<Samples> {
  const external = (await api.make('networks', { 'router:external': true }, 'admin')).id;
  const subnet = { network_id: external, cidr: '203.0.113.0/24', ip_version: 4 };
  await api.make('subnets', subnet, 'admin');
  return samplesOn(api, external);
}

function samplesOn(api: Pick<ApiUnderTest, 'make'>, external: string): Samples {
  const ownNetwork = async () => (await api.make('networks', {}, 'red')).id;
  return {
    networks: () => ({}),
    subnets: async () => ({ network_id: await ownNetwork(), cidr: '10.0.0.0/24', ip_version: 4 }),
    ports: async () => ({ network_id: await ownNetwork() }),
    routers: () => ({}),
    address_groups: () => ({ addresses: ['10.0.0.0/24'] }),
    address_scopes: () => ({ ip_version: 6 }),
    subnetpools: () => ({ name: 'pool', prefixes: ['10.0.0.0/8'] }),
    policies: () => ({}),
    security_groups: () => ({}),
    security_group_rules: async () => ({
      security_group_id: (await api.make('security_groups', {}, 'red')).id,
      ...{ direction: 'ingress', protocol: 'tcp', port_range_min: 22, port_range_max: 22 },
    }),
    rbac_policies: async () => ({
      object_type: 'address_group',
      object_id: (await api.make('address_groups', {}, 'red')).id,
      action: 'access_as_shared',
      target_tenant: 'green',
    }),
    trunks: async () => ({
      port_id: (await api.make('ports', { network_id: await ownNetwork() }, 'red')).id,
    }),
    floatingips: () => ({ floating_network_id: external }),
  };
}

let ranges = 0;

/** What only an admin makes and sees, or what belongs to no project: it has tests of its own, and is in the mix of mix.test.ts. */
export function adminSamples(api: Pick<ApiUnderTest, 'make'>): Samples {
  return {
    flavors: () => ({ service_type: 'L3_ROUTER_NAT' }),
    service_profiles: () => ({ metainfo: '{}' }),
    metering_labels: () => ({}),
    metering_label_rules: async () => ({
      metering_label_id: (await api.make('metering_labels', {}, 'admin')).id,
      ...{ direction: 'ingress', remote_ip_prefix: '10.0.0.0/24' },
    }),
    // of a project that has no networks: its own would have to be in it
    network_segment_ranges: () => {
      const of = { project_id: 'ranges', network_type: 'vxlan', shared: false };
      const minimum = 16_000_000 + ranges++;
      return { ...of, minimum, maximum: minimum };
    },
  };
}
