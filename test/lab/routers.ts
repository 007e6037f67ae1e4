/** Routers of a lab by its API, for stories: made, reached, and removed. */
import type { Lab } from '../../src/lab/lab.ts';
import type { Network, Stage } from './stage.ts';

export interface External {
  readonly id: string;
  readonly subnetId: string;
}

/** The network beyond `ext0` of each host, where the lab's outside is 203.0.113.1. */
export async function externalNetwork({ lab }: Stage): Promise<External> {
  const { network } = await lab.api('POST', '/v2.0/networks', {
    network: {
      name: 'outside',
      'router:external': true,
      'provider:network_type': 'flat',
      'provider:physical_network': 'external',
    },
  });
  const answer = await lab.api('POST', '/v2.0/subnets', {
    subnet: {
      network_id: network.id,
      ip_version: 4,
      cidr: '203.0.113.0/24',
      gateway_ip: '203.0.113.1',
      enable_dhcp: false,
    },
  });
  return { id: network.id, subnetId: answer.subnet.id };
}

/** A router between the networks and the outside; its id. */
export async function router(
  { lab }: Stage,
  external: External,
  networks: readonly Network[],
  more: object = {},
): Promise<string> {
  const external_gateway_info = { network_id: external.id };
  const made = await lab.api('POST', '/v2.0/routers', {
    router: { name: 'r', external_gateway_info, ...more },
  });
  for (const { subnetId } of networks)
    await lab.api('PUT', `/v2.0/routers/${made.router.id}/add_router_interface`, { subnet_id: subnetId });
  return made.router.id;
}

/** For the port; its id and address. */
export async function floatingIp(
  { lab }: Stage,
  external: External,
  portId: string,
): Promise<{ id: string; address: string }> {
  const floatingip = { floating_network_id: external.id, port_id: portId };
  const made = (await lab.api('POST', '/v2.0/floatingips', { floatingip })).floatingip;
  return { id: made.id, address: made.floating_ip_address };
}

/** Whether the outside gets an answer within a fifth of a second. */
export async function answersOutside({ lab }: Stage, address: string): Promise<boolean> {
  return (await lab.runOutside(['ping', '-n', '-q', '-c', '1', '-W', '0.2', address])).code === 0;
}

/** The hosts that have the router's namespace. */
export async function hostsWith({ lab }: Stage, routerId: string): Promise<string[]> {
  const hosts = lab.layout.nodes.filter((node) => node.kind === 'host');
  const have = await Promise.all(
    hosts.map(async ({ name }) => (await lab.run(name, ['ip', 'netns', 'list'])).stdout.includes(routerId)),
  );
  return hosts.filter((_, index) => have[index]).map(({ name }) => name);
}

/** All floating IPs and routers of the lab. */
export async function removeRouters(lab: Lab): Promise<void> {
  const ids = async (path: string, plural: string): Promise<string[]> =>
    (await lab.api('GET', path))[plural].map((one: { id: string }) => one.id);
  for (const id of await ids('/v2.0/floatingips?fields=id', 'floatingips'))
    await lab.api('DELETE', `/v2.0/floatingips/${id}`);
  for (const id of await ids('/v2.0/routers?fields=id', 'routers')) {
    await lab.api('PUT', `/v2.0/routers/${id}`, { router: { routes: [] } });
    const { ports } = await lab.api('GET', `/v2.0/ports?device_id=${id}&fields=id&fields=device_owner`);
    for (const port of ports as { id: string; device_owner: string }[]) {
      if (!/interface/.test(port.device_owner) || /router_ha_interface/.test(port.device_owner)) continue;
      await lab.api('PUT', `/v2.0/routers/${id}/remove_router_interface`, { port_id: port.id });
    }
    await lab.api('DELETE', `/v2.0/routers/${id}`);
  }
}
