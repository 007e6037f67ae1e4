/** Flavors: what an admin offers of a service under one name, and the profiles of drivers that stand behind it. */
import { type AttributeOf, attributeMap } from './attribute.ts';
import { NAME, PROJECT } from './standard-attributes.ts';
import { boolean, nullable, oneOf, shown, text, uuid } from './values.ts';

/** The service of routers, under Neutron's name. */
export const L3_SERVICE = 'L3_ROUTER_NAT';

/** A kind of router that this server makes. */
export interface ServiceProvider {
  readonly service_type: string;
  readonly name: string;
  /** Neutron's class, by which service profiles name it. */
  readonly driver: string;
  readonly ha: boolean;
}

const driver = (module: string): string => `neutron.services.l3_router.service_providers.${module}`;

/** Those of Neutron's that are here; there are no distributed routers. */
export const PROVIDERS: readonly ServiceProvider[] = [
  {
    service_type: L3_SERVICE,
    name: 'single_node',
    driver: driver('single_node.SingleNodeDriver'),
    ha: false,
  },
  { service_type: L3_SERVICE, name: 'ha', driver: driver('ha.HaDriver'), ha: true },
];

export interface FlavorRow {
  readonly id: string;
  name: string;
  description: string;
  readonly service_type: string;
  enabled: boolean;
}

export interface ServiceProfileRow {
  readonly id: string;
  description: string;
  /** '' where only `metainfo` says what it is. */
  driver: string;
  enabled: boolean;
  metainfo: string;
}

/** That a flavor has a profile. */
export interface FlavorProfileRow {
  readonly flavor_id: string;
  readonly service_profile_id: string;
}

type Common = Pick<FlavorRow, 'id' | 'description' | 'enabled'>;

const head: readonly AttributeOf<Common>[] = [
  {
    name: 'id',
    column: 'id',
    type: uuid,
    filter: true,
    sort: true,
    description: 'The id, chosen by the server.',
  },
  // some clients name the project, as of any resource; these are nobody's
  {
    name: PROJECT.name,
    column: null,
    type: PROJECT.type,
    post: PROJECT.post,
    see: 'nobody',
    description: 'Not kept: it is of no project.',
  },
  {
    name: 'description',
    column: 'description',
    type: nullable(text(1024), ''),
    post: 'owner',
    put: 'owner',
    default: '',
    filter: true,
    sort: true,
    description: 'For humans.',
  },
  {
    name: 'enabled',
    column: 'enabled',
    type: boolean,
    post: 'owner',
    put: 'owner',
    default: true,
    filter: true,
    sort: true,
    description: 'Whether it may be used for something new.',
  },
];

export const flavorMap = attributeMap<FlavorRow>({
  singular: 'flavor',
  plural: 'flavors',
  missing: { type: 'FlavorNotFound', title: 'Flavor' },
  attributes: [
    ...head,
    { ...NAME, type: text(255), post: 'owner', put: 'owner' },
    {
      name: 'service_type',
      column: 'service_type',
      type: oneOf([L3_SERVICE, 'FLAVORS']),
      post: 'owner',
      required: true,
      filter: true,
      sort: true,
      description: 'The service of which it is; only routers can be made of one.',
    },
    {
      name: 'service_profiles',
      column: null,
      type: shown({ type: 'array', items: { type: 'string' } }),
      description: 'The ids of its profiles, set below it.',
    },
  ],
});

export const serviceProfileMap = attributeMap<ServiceProfileRow>({
  singular: 'service_profile',
  plural: 'service_profiles',
  path: 'service_profiles',
  missing: { type: 'ServiceProfileNotFound', title: 'Service Profile' },
  attributes: [
    ...head,
    {
      name: 'driver',
      column: 'driver',
      type: text(1024),
      post: 'owner',
      put: 'owner',
      default: '',
      filter: true,
      sort: true,
      description: `What makes it: ${PROVIDERS.map((one) => one.driver).join(' or ')}.`,
    },
    {
      name: 'metainfo',
      column: 'metainfo',
      type: text(4096),
      post: 'owner',
      put: 'owner',
      default: '',
      sort: true,
      description: 'What the driver is told; none reads it.',
    },
  ],
});
