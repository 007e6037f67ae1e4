/** Hosts that may run agents. A host's credential is shown once, when it is added; only its hash is kept. */
import { createHash } from 'node:crypto';
import { timestamp } from '../lib/clock.ts';
import type { HostRow } from '../resources/agent.ts';
import type { FenceCheckRow } from '../resources/fencing.ts';
import { Fault } from '../resources/errors.ts';
import { ROUTER_PORT_OWNERS } from '../resources/router.ts';
import type { Tables, Transaction } from '../store/store.ts';
import { UniqueViolation } from '../store/store.ts';
import { leaveNetworks, lockServedNetworks } from './dhcp-scheduling.ts';
import { hostNotFound, invalidInput } from './faults.ts';
import { leaveRouters, lockHostedRouters } from './l3-scheduling.ts';
import type { Call } from './operation.ts';
import { UNBOUND } from './binding.ts';
import { touched } from './standard.ts';

// A name becomes part of keys (`host/<name>`) and of lines of hints.
const HOST_NAME = /^[A-Za-z0-9][A-Za-z0-9._:@-]{0,254}$/;

/** Owners of ports that go to other hosts by themselves. */
const GO_ELSEWHERE: readonly string[] = ['network:dhcp', ...ROUTER_PORT_OWNERS];

const hashOf = (credential: string): string => createHash('sha256').update(credential).digest('hex');

/**
 * Adds a host. `secret` gives 256 strongly random bits as text, other than `call.random` in a simulation: who knows it may act
 * as the host's agent.
 */
export async function addHost(
  tx: Transaction,
  call: Call,
  { name, secret }: { readonly name: string; readonly secret: () => string },
): Promise<{ host: HostRow; credential: string }> {
  if (!HOST_NAME.test(name)) throw invalidInput(`'${name}' is not a valid host name`);
  const credential = secret();
  const host: HostRow = {
    name,
    credential_hash: hashOf(credential),
    tunnel_ip: '',
    management_ip: '',
    physical_networks: [],
    created_at: timestamp(call.clock),
  };
  const exists = () => new Fault('HostExists', `Host ${name} already exists.`);
  if (await tx.hosts.get({ name })) throw exists();
  try {
    await tx.hosts.insert([host]);
  } catch (error) {
    if (error instanceof UniqueViolation) throw exists();
    throw error;
  }
  return { host, credential };
}

/** Gives a host a new credential; the old one ends. */
export async function renewCredential(
  tx: Transaction,
  _call: Call,
  { name, secret }: { readonly name: string; readonly secret: () => string },
): Promise<{ host: HostRow; credential: string }> {
  const credential = secret();
  const [host] = await tx.hosts.update({ name }, { credential_hash: hashOf(credential) });
  if (!host) throw hostNotFound(name);
  return { host, credential };
}

/** A host, and what its fence device said last; null: it has none, or it was not asked yet. */
export interface ListedHost {
  readonly host: HostRow;
  readonly fenceDevice: FenceCheckRow | null;
}

/** Every host, by name. */
export async function listHosts(tables: Tables): Promise<ListedHost[]> {
  const checks = new Map((await tables.fenceChecks.find({})).map((row) => [row.host, row]));
  const hosts = await tables.hosts.find({});
  return hosts.map((host) => ({ host, fenceDevice: checks.get(host.name) ?? null }));
}

/** The host whose credential this is. */
export const hostByCredential = (tables: Tables, credential: string): Promise<HostRow | undefined> =>
  tables.hosts.get({ credential_hash: hashOf(credential) });

/**
 * Removes a host with its agents; its DHCP networks and its routers go to others. Refused while ports are bound to it, unless `force`:
 * then they are unbound.
 */
export async function removeHost(
  tx: Transaction,
  call: Call,
  { name, force }: { readonly name: string; readonly force: boolean },
): Promise<void> {
  if (!(await tx.hosts.get({ name }))) throw hostNotFound(name);
  const routers = await lockHostedRouters(tx, name);
  const networks = await lockServedNetworks(tx, name);
  const ports = (await tx.ports.lock({ host: name })).filter(
    (port) => !GO_ELSEWHERE.includes(port.device_owner),
  );
  if (ports.length > 0 && !force) {
    throw new Fault('HostInUse', `Host ${name} is in use: ${ports.length} ports are bound to it.`);
  }
  for (const port of ports) {
    await tx.provisioningBlocks.remove({ port_id: port.id });
    const changes = { ...UNBOUND, generation: port.generation + 1, status: 'DOWN' as const };
    await tx.ports.update({ id: port.id }, { ...changes, ...touched(call, port) });
  }
  const removed = await tx.hosts.remove({ name });
  if (removed.length === 0) throw hostNotFound(name);
  await leaveNetworks(tx, call, { host: name, networks });
  await leaveRouters(tx, call, { host: name, routers });
}
