/** Flavors, service profiles, what a flavor has of them, and `/v2.0/service-providers`. */
import {
  addProfile,
  createFlavor,
  createServiceProfile,
  deleteFlavor,
  deleteServiceProfile,
  listFlavors,
  listServiceProfiles,
  nextProvider,
  profilesOf,
  removeProfile,
  showFlavor,
  showServiceProfile,
  updateFlavor,
  updateServiceProfile,
} from '../operations/flavor.ts';
import { Fault } from '../resources/errors.ts';
import {
  flavorMap,
  type FlavorRow,
  PROVIDERS,
  serviceProfileMap,
  type ServiceProfileRow,
} from '../resources/flavor.ts';
import { isPlainObject, uuid } from '../resources/values.ts';
import type { Api } from './app.ts';
import { collection } from './collection.ts';
import { permittedBy } from './policy.ts';
import { mustGet } from './policy-judge.ts';
import { pathId, requireObject, sendWritten } from './resource-routes.ts';
import { array, object, ref, TEXT } from './route.ts';
import { bodyMaker } from './view.ts';

export const flavorCollection = collection<FlavorRow>(
  flavorMap,
  {
    create: createFlavor,
    update: (tx, call, write) => updateFlavor(tx, call, write as never),
    remove: deleteFlavor,
    show: showFlavor,
    list: listFlavors,
    async compute(tables, _call, rows) {
      const profiles = await profilesOf(
        tables,
        rows.map((row) => row.id),
      );
      return (row) => ({ service_profiles: profiles.get(row.id) ?? [] });
    },
  },
  { adminWrites: true, seenByAll: true },
);

export const serviceProfileCollection = collection<ServiceProfileRow>(
  serviceProfileMap,
  {
    create: createServiceProfile,
    update: (tx, call, write) => updateServiceProfile(tx, call, write as never),
    remove: deleteServiceProfile,
    show: showServiceProfile,
    list: listServiceProfiles,
    compute: () => Promise.resolve(() => ({})),
  },
  { adminOnly: true },
);

const FLAVOR = '/v2.0/flavors/:id';
const SAYS = {
  add: {
    id: 'create_flavor_service_profile',
    summary: 'Gives a flavor a profile; answers with the flavor.',
    body: object({ service_profile: object({ id: uuid.schema }) }),
    status: 201,
    answer: object({ service_profile: ref('Flavor') }),
  },
  remove: {
    id: 'delete_flavor_service_profile',
    summary: 'Takes a profile of a flavor away.',
    status: 204,
  },
  next: {
    id: 'list_flavor_next_providers',
    summary: 'What something of this flavor would be made by now.',
    answer: object({ next_providers: array(object({ provider: TEXT, driver: TEXT })) }),
  },
  providers: {
    id: 'list_service_providers',
    summary: 'What services are made by.',
    answer: object({
      service_providers: array(object({ service_type: TEXT, name: TEXT, default: { type: 'boolean' } })),
    }),
  },
};

function profileIn(given: unknown): string {
  const { service_profile: asked } = requireObject(given);
  const reading = uuid.read(isPlainObject(asked) ? asked['id'] : undefined);
  if ('value' in reading) return reading.value as string;
  throw new Fault('HTTPBadRequest', `Invalid input for service_profile. Reason: ${reading.reason}.`);
}

function addFlavorProfiles(api: Api): void {
  const adds = 'create_flavor_service_profile';
  const all = `${FLAVOR}/service_profiles`;
  api.route({ method: 'POST', url: all, rule: adds, says: SAYS.add }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), adds);
    const pair = { flavorId: pathId(flavorMap, request), profileId: profileIn(request.body) };
    const toBody = bodyMaker(flavorMap, call.caller, []);
    const { result, place } = await api.store.transact(async (tx) => {
      const row = await addProfile(tx, call, pair);
      return toBody(row as never, await flavorCollection.compute(tx, call, [row as never]));
    });
    return sendWritten(reply, { status: 201, place, body: { service_profile: result } });
  });
  const removes = 'delete_flavor_service_profile';
  const one = `${all}/:profile`;
  api.route({ method: 'DELETE', url: one, rule: removes, says: SAYS.remove }, async (request, reply) => {
    const call = permittedBy(api.callOf(request), removes);
    const profileId = pathId(serviceProfileMap, request, 'profile');
    const pair = { flavorId: pathId(flavorMap, request), profileId };
    const { place } = await api.store.transact((tx) => removeProfile(tx, call, pair));
    return sendWritten(reply, { status: 204, place });
  });
}

export function addFlavors(api: Api): void {
  addFlavorProfiles(api);
  const next = `${FLAVOR}/next_providers`;
  api.route({ method: 'GET', url: next, rule: 'get_flavor', says: SAYS.next }, async (request, reply) => {
    const call = api.callOf(request);
    const id = pathId(flavorMap, request);
    const { driver, name } = await api.store.view(async (view) => {
      await mustGet(view, call, { it: flavorCollection, row: (await showFlavor(view, call, id)) as never });
      return nextProvider(view, id);
    });
    return reply.send(JSON.stringify({ next_providers: [{ provider: name, driver }] }));
  });
  const rule = 'get_service_provider';
  const url = '/v2.0/service-providers';
  api.route({ method: 'GET', url, rule, says: SAYS.providers }, (request, reply) => {
    const isDefault = permittedBy(api.callOf(request), rule).settings.l3Ha ?? false;
    const service_providers = PROVIDERS.map(({ service_type, name, ha }) => ({
      ...{ service_type, name, default: ha === isDefault },
    }));
    return reply.send(JSON.stringify({ service_providers })) as never;
  });
}
