/** Flavors and service profiles: made by admins. A router that is made of a flavor is what the flavor's profile says. */
import { Fault } from '../resources/errors.ts';
import {
  type FlavorRow,
  L3_SERVICE,
  PROVIDERS,
  type ServiceProfileRow,
  type ServiceProvider,
} from '../resources/flavor.ts';
import {
  ForeignKeyViolation,
  type ListQuery,
  type Tables,
  type Transaction,
  UniqueViolation,
} from '../store/store.ts';
import { badRequest, forbidden, invalidInput } from './faults.ts';
import type { Call } from './operation.ts';
import { given, type DeleteRequest, type UpdateRequest } from './standard.ts';

const flavorNotFound = (id: string): Fault => new Fault('FlavorNotFound', `Flavor ${id} could not be found.`);

const profileNotFound = (id: string): Fault =>
  new Fault('ServiceProfileNotFound', `Service Profile ${id} could not be found.`);

const profileInUse = (id: string): Fault =>
  new Fault('ServiceProfileInUse', `Service Profile ${id} is used by some service instance.`);

function checkAdmin({ caller, permitted }: Call, rule: string): void {
  if (!caller.isAdmin && !permitted) throw forbidden(rule);
}

function providerOf(driver: string): ServiceProvider {
  const found = PROVIDERS.find((one) => one.driver === driver);
  if (found) return found;
  const message = `Service Profile driver ${driver} could not be found.`;
  throw new Fault('ServiceProfileDriverNotFound', message);
}

export async function createFlavor(
  tx: Transaction,
  call: Call,
  asked: readonly Partial<FlavorRow>[],
): Promise<FlavorRow[]> {
  checkAdmin(call, 'create_flavor');
  const rows = asked.map(({ name = '', description = '', service_type = '', enabled = true }) => ({
    ...{ id: call.random.uuid(), name, description, service_type, enabled },
  }));
  await tx.flavors.insert(rows);
  return rows;
}

export async function updateFlavor(
  tx: Transaction,
  call: Call,
  { id, changes }: UpdateRequest<Partial<FlavorRow>>,
): Promise<FlavorRow> {
  checkAdmin(call, 'update_flavor');
  const [row] = await tx.flavors.update({ id }, given(changes));
  if (!row) throw flavorNotFound(id);
  return row;
}

export async function deleteFlavor(tx: Transaction, call: Call, { id }: DeleteRequest): Promise<void> {
  checkAdmin(call, 'delete_flavor');
  try {
    if ((await tx.flavors.remove({ id })).length === 0) throw flavorNotFound(id);
  } catch (error) {
    if (!(error instanceof ForeignKeyViolation)) throw error;
    throw new Fault('FlavorInUse', `Flavor ${id} is used by some service instance.`);
  }
}

export async function showFlavor(tables: Tables, _call: Call, id: string): Promise<FlavorRow> {
  const row = await tables.flavors.get({ id });
  if (!row) throw flavorNotFound(id);
  return row;
}

export const listFlavors = (tables: Tables, _call: Call, query: ListQuery<FlavorRow>): Promise<FlavorRow[]> =>
  tables.flavors.list(query);

/** The ids of their profiles, by flavor. */
export async function profilesOf(tables: Tables, ids: readonly string[]): Promise<Map<string, string[]>> {
  const rows = ids.length === 0 ? [] : await tables.flavorProfiles.find({ flavor_id: ids });
  const byFlavor = Map.groupBy(rows, (row) => row.flavor_id);
  return new Map([...byFlavor].map(([id, own]) => [id, own.map((row) => row.service_profile_id)]));
}

interface Pair {
  readonly flavorId: string;
  readonly profileId: string;
}

/** Gives a flavor a profile. */
export async function addProfile(
  tx: Transaction,
  call: Call,
  { flavorId, profileId }: Pair,
): Promise<FlavorRow> {
  checkAdmin(call, 'create_flavor_service_profile');
  const [flavor] = await tx.flavors.lock({ id: flavorId });
  if (!flavor) throw flavorNotFound(flavorId);
  const [profile] = await tx.serviceProfiles.lock({ id: profileId });
  if (!profile) throw profileNotFound(profileId);
  try {
    await tx.flavorProfiles.insert([{ flavor_id: flavorId, service_profile_id: profileId }]);
  } catch (error) {
    if (!(error instanceof UniqueViolation)) throw error;
    const message = `Service Profile ${profileId} is already associated with flavor ${flavorId}.`;
    throw new Fault('FlavorServiceProfileBindingExists', message);
  }
  return flavor;
}

export async function removeProfile(
  tx: Transaction,
  call: Call,
  { flavorId, profileId }: Pair,
): Promise<void> {
  checkAdmin(call, 'delete_flavor_service_profile');
  const pair = { flavor_id: flavorId, service_profile_id: profileId };
  if ((await tx.flavorProfiles.remove(pair)).length > 0) return;
  throw notAssociated({ flavorId, profileId });
}

const notAssociated = ({ flavorId, profileId }: Pair): Fault =>
  new Fault(
    'FlavorServiceProfileBindingNotFound',
    `Service Profile ${profileId} is not associated with flavor ${flavorId}.`,
  );

/** What a flavor is made by now: the first of its profiles, by id. Throws a Fault for what cannot be used. */
export async function nextProvider(tables: Tables, flavorId: string): Promise<ServiceProvider> {
  const [binding] = await tables.flavorProfiles.find({ flavor_id: flavorId });
  if (!binding) throw notAssociated({ flavorId, profileId: '' });
  const profile = await tables.serviceProfiles.get({ id: binding.service_profile_id });
  if (!profile?.enabled) throw new Fault('ServiceProfileDisabled', 'Service Profile is not enabled.');
  return providerOf(profile.driver);
}

/** What a router of a flavor is to be. The flavor is held until it is written. */
export async function routerProvider(tx: Transaction, flavorId: string): Promise<ServiceProvider> {
  const [flavor] = await tx.flavors.lock({ id: flavorId });
  if (!flavor) throw flavorNotFound(flavorId);
  if (flavor.service_type !== L3_SERVICE)
    throw badRequest('router', `flavor ${flavorId} is of the service ${flavor.service_type}`);
  if (!flavor.enabled) throw new Fault('FlavorDisabled', 'Flavor is not enabled.');
  return nextProvider(tx, flavorId);
}

export async function createServiceProfile(
  tx: Transaction,
  call: Call,
  asked: readonly Partial<ServiceProfileRow>[],
): Promise<ServiceProfileRow[]> {
  checkAdmin(call, 'create_service_profile');
  const rows = asked.map(({ description = '', driver = '', enabled = true, metainfo = '' }) => ({
    ...{ id: call.random.uuid(), description, driver, enabled, metainfo },
  }));
  for (const { driver, metainfo } of rows) {
    if (driver !== '') providerOf(driver);
    else if (metainfo === '') throw invalidInput('Service Profile needs either a driver or metainfo');
  }
  await tx.serviceProfiles.insert(rows);
  return rows;
}

export async function updateServiceProfile(
  tx: Transaction,
  call: Call,
  { id, changes }: UpdateRequest<Partial<ServiceProfileRow>>,
): Promise<ServiceProfileRow> {
  checkAdmin(call, 'update_service_profile');
  if (changes.driver) providerOf(changes.driver);
  await lockUnused(tx, id);
  const [row] = await tx.serviceProfiles.update({ id }, given(changes));
  if (!row) throw profileNotFound(id);
  return row;
}

async function lockUnused(tx: Transaction, id: string): Promise<void> {
  const [row] = await tx.serviceProfiles.lock({ id });
  if (!row) throw profileNotFound(id);
  if ((await tx.flavorProfiles.count({ service_profile_id: id })) > 0) throw profileInUse(id);
}

export async function deleteServiceProfile(
  tx: Transaction,
  call: Call,
  { id }: DeleteRequest,
): Promise<void> {
  checkAdmin(call, 'delete_service_profile');
  await lockUnused(tx, id);
  await tx.serviceProfiles.remove({ id });
}

export async function showServiceProfile(
  tables: Tables,
  _call: Call,
  id: string,
): Promise<ServiceProfileRow> {
  const row = await tables.serviceProfiles.get({ id });
  if (!row) throw profileNotFound(id);
  return row;
}

export const listServiceProfiles = (
  tables: Tables,
  _call: Call,
  query: ListQuery<ServiceProfileRow>,
): Promise<ServiceProfileRow[]> => tables.serviceProfiles.list(query);
