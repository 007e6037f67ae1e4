/** Trunks, and `/v2.0/trunks/<id>/get_subports`. */
import {
  addSubports,
  createTrunk,
  deleteTrunk,
  listTrunks,
  removeSubports,
  showTrunk,
  type TrunkCreate,
  trunkStates,
  updateTrunk,
} from '../operations/trunk.ts';
import {
  type AskedSubport,
  namedSubports,
  type TrunkRow,
  type TrunkView,
  trunkMap,
  wantedSubports,
} from '../resources/trunk.ts';
import type { ListQuery } from '../store/store.ts';
import type { Api } from './app.ts';
import { collection } from './collection.ts';
import { permit } from './policy-judge.ts';
import { pathId } from './resource-routes.ts';
import { object } from './route.ts';

export const trunkCollection = collection<TrunkView>(
  trunkMap,
  {
    table: 'trunks',
    create: (tx, call, rows) => createTrunk(tx, call, rows as readonly TrunkCreate[]),
    update: (tx, call, write) => updateTrunk(tx, call, write as never),
    remove: deleteTrunk,
    show: showTrunk,
    list: (tables, call, query) => listTrunks(tables, call, query as unknown as ListQuery<TrunkRow>),
    async compute(tables, call, rows) {
      const states = await trunkStates(tables, rows);
      return ({ id }) => {
        const { status = 'DOWN', reason = '', said = '' } = states.get(id) ?? {};
        const more = call.caller.isAdmin && said !== '' ? `: ${said}` : '';
        return { status, 'deuteron:reason': `${reason}${more}` };
      };
    },
  },
  {
    actions: [
      {
        name: 'add_subports',
        summary: 'Adds subports; answers with the trunk.',
        body: { sub_ports: wantedSubports },
        isBare: true,
        run: (tx, call, { values, ...named }) =>
          addSubports(tx, call, { ...named, subports: values['sub_ports'] as AskedSubport[] }),
      },
      {
        name: 'remove_subports',
        summary: 'Takes subports away; answers with the trunk.',
        body: { sub_ports: namedSubports },
        isBare: true,
        run: (tx, call, { values, ...named }) =>
          removeSubports(tx, call, { ...named, portIds: values['sub_ports'] as string[] }),
      },
    ],
  },
);

const SUBPORTS = {
  id: 'get_subports',
  summary: 'The subports of a trunk.',
  answer: object({ sub_ports: trunkMap.byName.get('sub_ports')?.showAs?.schema ?? {} }),
};

export function addSubportsRoute(api: Api): void {
  api.route(
    { method: 'GET', url: '/v2.0/trunks/:id/get_subports', rule: 'get_subports', says: SUBPORTS },
    async (request, reply) => {
      const call = api.callOf(request);
      const id = pathId(trunkMap, request);
      const { sub_ports } = await api.store.view(async (view) => {
        await permit(view, call, { it: trunkCollection, id, rule: 'get_subports' });
        return showTrunk(view, call, id);
      });
      return reply.send(JSON.stringify({ sub_ports }));
    },
  );
}
