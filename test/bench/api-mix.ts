/**
 * A mix of requests over every resource: 60 % show and list, 40 % create, update and delete, each verb spread evenly over the
 * resources that have it. What they are comes from the collections and the samples of test/api, so a new resource is in it by
 * itself. Each caller is a member of a project of its own; what only admins may do, an admin does for it.
 */
import type { Collection } from '../../src/api/collection.ts';
import { collections } from '../../src/api/collections.ts';
import { integerBetween, type Random, seededRandom } from '../../src/lib/random.ts';
import { adminSamples, makeSamples, type Samples } from '../api/samples.ts';
import type { HttpAnswer, Json } from './http-caller.ts';

export type Verb = 'list' | 'show' | 'create' | 'update' | 'delete';

/** Of a hundred requests. */
const SHARES: Readonly<Record<Verb, number>> = { list: 30, show: 30, create: 14, update: 12, delete: 14 };
const VERBS = Object.keys(SHARES) as Verb[];

/** So many of each are there whatever is deleted. */
const KEPT = 5;

export interface Mix {
  readonly callers: number;
  readonly requests: number;
  /** `as` is a project, whose member asks, or `admin`. */
  ask(as: string, method: string, path: string, body?: unknown): Promise<HttpAnswer>;
}

export interface Measured {
  readonly verb: Verb;
  /** The plural. */
  readonly resource: string;
  /** Milliseconds of each. */
  readonly times: number[];
  /** The answers that were no success: status, and what was said. */
  readonly refused: string[];
}

export interface Prepared {
  /** Sends all requests, each caller one after another. */
  run(): Promise<Measured[]>;
}

interface Step {
  readonly verb: Verb;
  readonly it: Collection;
}

/** What can be told apart in an update; the first of them that it has is changed. */
const CHANGED = ['description', 'name', 'target_tenant'];
const changedOf = ({ map }: Collection) =>
  CHANGED.map((name) => map.byName.get(name)).find((attribute) => attribute?.put !== undefined);

const isChanged = (it: Collection) => it.update !== undefined && changedOf(it) !== undefined;

/** By what a list shows its rows to be asked for one by one. */
const idOf = ({ map }: Collection): string | undefined =>
  map.attributes.find(({ column, see }) => column === 'id' && see === undefined)?.name;

/** Whether the mix can make them: there is a sample. */
const isMade = (it: Collection, samples: Samples) =>
  it.create !== undefined && samples[it.map.plural] !== undefined;

function has(it: Collection, samples: Samples): Record<Verb, boolean> {
  return {
    list: true,
    show: idOf(it) !== undefined,
    create: isMade(it, samples),
    update: isChanged(it),
    delete: it.remove !== undefined && isMade(it, samples),
  };
}

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  const mixed = [...items];
  for (let at = mixed.length - 1; at > 0; at--) {
    const other = integerBetween(random, 0, at);
    [mixed[at], mixed[other]] = [mixed[other]!, mixed[at]!];
  }
  return mixed;
}

/** Its part of all requests, of each verb as many for each resource, or one more. */
function planOf(samples: Samples, count: number, first: number): Step[] {
  return VERBS.flatMap((verb) => {
    const able = collections.filter((it) => has(it, samples)[verb]);
    const length = Math.round((count * SHARES[verb]) / 100);
    return Array.from({ length }, (_, at) => ({ verb, it: able[(first * length + at) % able.length]! }));
  });
}

const singularOf = (plural: string): string => plural.replace(/ies$/, 'ys').slice(0, -1);

class Caller {
  readonly project: string;
  readonly #mix: Mix;
  readonly #random: Random;
  #samples: Samples = {};
  #plan: readonly Step[] = [];
  readonly #bodies = new Map<Collection, object[]>();
  readonly #ids = new Map<Collection, string[]>();
  #number = 0;

  constructor(mix: Mix, number: number) {
    this.#mix = mix;
    this.project = `project-${number}`;
    this.#random = seededRandom(number);
  }

  /** Makes what is asked for, and what new ones need of others. */
  async prepare(number: number): Promise<void> {
    this.#samples = await this.#makeSamples();
    const share = Math.ceil(this.#mix.requests / this.#mix.callers);
    this.#plan = shuffled(planOf(this.#samples, share, number), this.#random);
    const planned = (verb: Verb, of: Collection) =>
      this.#plan.filter((step) => step.verb === verb && step.it === of).length;
    for (const it of collections.filter((one) => isMade(one, this.#samples))) {
      const ids: string[] = [];
      for (let missing = KEPT + planned('delete', it); missing > 0; missing--)
        ids.push((await this.#make(it.map.plural, await this.#sample(it), this.#writer(it))).id);
      this.#ids.set(it, ids);
      const bodies: object[] = [];
      for (let missing = planned('create', it); missing > 0; missing--) bodies.push(await this.#sample(it));
      this.#bodies.set(it, bodies);
    }
  }

  /** Every id that it may delete. */
  made(): string[] {
    return [...this.#ids.values()].flat();
  }

  /** Finds what the mix does not make and can show; `passing` is what may go any moment. */
  async find(passing: ReadonlySet<string>): Promise<void> {
    for (const it of collections) {
      const id = idOf(it);
      if (this.#ids.has(it) || id === undefined) continue;
      const { body } = await this.#mix.ask(this.#reader(it), 'GET', `/v2.0/${it.map.path}`);
      const ids: string[] = body[it.map.plural].map((row: Json) => row[id]);
      this.#ids.set(
        it,
        ids.filter((one) => !passing.has(one)),
      );
    }
  }

  async run(keep: (step: Step, ms: number, answer: HttpAnswer) => void): Promise<void> {
    for (const step of this.#plan) {
      const asked = this.#asked(step);
      if (asked === undefined) continue;
      const began = performance.now();
      const answer = await this.#mix.ask(...asked);
      keep(step, performance.now() - began, answer);
      if (step.verb === 'create' && answer.status === 201)
        this.#ids.get(step.it)?.push(answer.body[step.it.map.singular].id);
    }
  }

  /** Undefined: there is none to ask for. */
  #asked({ verb, it }: Step): Parameters<Mix['ask']> | undefined {
    const { path, singular } = it.map;
    const ids = this.#ids.get(it) ?? [];
    if (verb === 'list') return [this.#reader(it), 'GET', `/v2.0/${path}`];
    if (verb === 'create')
      return [this.#writer(it), 'POST', `/v2.0/${path}`, { [singular]: this.#bodies.get(it)?.pop() }];
    if (ids.length === 0) return undefined;
    if (verb === 'delete') return [this.#writer(it), 'DELETE', `/v2.0/${path}/${ids.shift()}`];
    const id = ids[integerBetween(this.#random, 0, ids.length - 1)];
    if (verb === 'show') return [this.#reader(it), 'GET', `/v2.0/${path}/${id}`];
    const attribute = changedOf(it)!;
    const body = { [singular]: { [attribute.name]: `${this.project} ${this.#number++}` } };
    return [attribute.put === 'admin' ? 'admin' : this.#writer(it), 'PUT', `/v2.0/${path}/${id}`, body];
  }

  readonly #reader = ({ adminOnly, map }: Collection) =>
    adminOnly || Object.hasOwn(this.#ofAdmins, map.plural) ? 'admin' : this.project;
  readonly #writer = (it: Collection) => (it.adminWrites ? 'admin' : this.#reader(it));

  readonly #make = async (plural: string, body: object, as: string): Promise<Json> => {
    const who = as === 'red' ? this.project : as;
    const singular = singularOf(plural);
    const path = collections.find(({ map }) => map.plural === plural)?.map.path;
    const answer = await this.#mix.ask(who, 'POST', `/v2.0/${path}`, { [singular]: body });
    if (answer.status !== 201)
      throw new Error(`POST ${plural}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body[singular];
  };

  readonly #ofAdmins = adminSamples({ make: this.#make });

  async #makeSamples(): Promise<Samples> {
    const samples = await makeSamples({ make: this.#make });
    const network_id = (await this.#make('networks', {}, this.project)).id;
    const subnet = { network_id, cidr: '10.16.0.0/16', ip_version: 4 };
    await this.#make('subnets', subnet, this.project);
    return {
      ...samples,
      ...this.#ofAdmins,
      // most ports have an address, in a network where others are
      ports: () => ({ network_id }),
    };
  }

  async #sample(it: Collection): Promise<object> {
    const sample = await this.#samples[it.map.plural]?.();
    return it.map.byName.has('project_id') ? { project_id: this.project, ...sample } : { ...sample };
  }
}

/** Makes all that the requests need beforehand. Quotas are in the way: there must be none. */
export async function prepareMix(mix: Mix): Promise<Prepared> {
  const callers = Array.from({ length: mix.callers }, (_, number) => new Caller(mix, number));
  await Promise.all(callers.map((caller, number) => caller.prepare(number)));
  const passing = new Set(callers.flatMap((caller) => caller.made()));
  await Promise.all(callers.map((caller) => caller.find(passing)));
  return {
    async run() {
      const measured = new Map<string, Measured>();
      const keep = ({ verb, it }: Step, ms: number, { status, body }: HttpAnswer) => {
        const resource = it.map.plural;
        const of = measured.get(`${verb} ${resource}`) ?? { verb, resource, times: [], refused: [] };
        measured.set(`${verb} ${resource}`, of);
        of.times.push(ms);
        if (status >= 400) of.refused.push(`${status} ${JSON.stringify(body)}`);
      };
      await Promise.all(callers.map((caller) => caller.run(keep)));
      return [...measured.values()];
    },
  };
}

/** What a mix has if it has everything: `create ports`. */
export function everyVerb(): string[] {
  return collections.flatMap((it) => {
    const verbs: Record<Verb, boolean> = {
      ...{ list: true, show: idOf(it) !== undefined, create: it.create !== undefined },
      ...{ update: isChanged(it), delete: it.create !== undefined && it.remove !== undefined },
    };
    return VERBS.filter((verb) => verbs[verb]).map((verb) => `${verb} ${it.map.plural}`);
  });
}
