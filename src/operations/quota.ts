/** Limits by project. A project without a row of its own has the configured default; -1 is no limit. */
import { Fault } from '../resources/errors.ts';
import type { QuotaRow } from '../resources/quota.ts';
import {
  RunAgain,
  type StandardTable,
  type Tables,
  type Transaction,
  UniqueViolation,
} from '../store/store.ts';
import type { Call } from './operation.ts';
import { standardTable } from './standard.ts';

/** The resources that have a quota, and the tables whose rows are counted for them. */
const COUNTED = {
  network: 'networks',
  subnet: 'subnets',
  port: 'ports',
  router: 'routers',
  floatingip: 'floatingIps',
  rbac_policy: 'rbacPolicies',
  subnetpool: 'subnetPools',
  trunk: 'trunks',
  security_group: 'securityGroups',
  security_group_rule: 'securityGroupRules',
} as const satisfies Record<string, StandardTable>;

const used = (tables: Tables, resource: CountedResource, project_id: string): Promise<number> =>
  standardTable(tables, COUNTED[resource]).count({ project_id });

export type CountedResource = keyof typeof COUNTED;

export interface QuotaDetail {
  readonly limit: number;
  readonly used: number;
  readonly reserved: number;
}

const isCounted = (resource: string): resource is CountedResource => Object.hasOwn(COUNTED, resource);

/** Refuses with OverQuota if creating these many more would exceed a project's limit. */
export async function checkQuota(
  tx: Transaction,
  call: Call,
  request: { readonly resource: CountedResource; readonly rows: readonly { readonly project_id: string }[] },
): Promise<void> {
  const projects = [...Map.groupBy(request.rows, (row) => row.project_id)];
  // always in the same order, so that no two wait for each other
  for (const [projectId, rows] of projects.sort(([one], [other]) => (one < other ? -1 : 1))) {
    const own = await tx.quotas.get({ project_id: projectId, resource: request.resource });
    const limit = own?.limit ?? call.settings.quotas[request.resource] ?? -1;
    if (limit < 0) continue;
    // what others create at the same moment counts
    await tx.alone(`quota ${request.resource} ${projectId}`);
    const count = await used(tx, request.resource, projectId);
    if (count + rows.length > limit) {
      throw new Fault('OverQuota', `Quota exceeded for resources: ['${request.resource}'].`);
    }
  }
}

/** The configured limits. */
export function defaultQuota(call: Call): Record<string, number> {
  return Object.fromEntries(Object.keys(COUNTED).map((name) => [name, call.settings.quotas[name] ?? -1]));
}

/** A project's limits: its own, else the defaults. */
export async function showQuota(
  tables: Tables,
  call: Call,
  projectId: string,
): Promise<Record<string, number>> {
  const rows = await tables.quotas.find({ project_id: projectId });
  return { ...defaultQuota(call), ...Object.fromEntries(rows.map((row) => [row.resource, row.limit])) };
}

/** A project's limits beside what it uses. */
export async function quotaUsage(
  tables: Tables,
  call: Call,
  projectId: string,
): Promise<Record<string, QuotaDetail>> {
  const details: Record<string, QuotaDetail> = {};
  for (const [resource, limit] of Object.entries(await showQuota(tables, call, projectId))) {
    if (!isCounted(resource)) continue;
    details[resource] = { limit, used: await used(tables, resource, projectId), reserved: 0 };
  }
  return details;
}

/** The limits of each project that has some of its own. */
export async function listQuotas(
  tables: Tables,
  call: Call,
): Promise<({ project_id: string } & Record<string, unknown>)[]> {
  const projects = Map.groupBy(await tables.quotas.find({}), (row) => row.project_id);
  return [...projects].map(([project_id, rows]) => ({
    ...defaultQuota(call),
    ...Object.fromEntries(rows.map((row) => [row.resource, row.limit])),
    project_id,
  }));
}

async function insertQuota(tx: Transaction, row: QuotaRow): Promise<void> {
  try {
    await tx.quotas.insert([row]);
  } catch (error) {
    // Another set it at the same moment; the next run changes that.
    if (error instanceof UniqueViolation) throw new RunAgain();
    throw error;
  }
}

async function checkAboveUsed(
  tx: Transaction,
  projectId: string,
  limits: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [resource, limit] of Object.entries(limits)) {
    const count = limit < 0 ? 0 : await used(tx, resource as CountedResource, projectId);
    if (limit < 0 || count <= limit) continue;
    const message = `Quota limit ${limit} for ${resource} must be greater than or equal to already used ${count}`;
    throw new Fault('HTTPBadRequest', message);
  }
}

/** Sets limits of a project; the others stay. With `checkUsed` no limit may be below what is used. */
export async function updateQuota(
  tx: Transaction,
  call: Call,
  request: {
    readonly projectId: string;
    readonly limits: Readonly<Record<string, number>>;
    readonly checkUsed?: boolean;
  },
): Promise<Record<string, number>> {
  const unknown = Object.keys(request.limits).filter((resource) => !isCounted(resource));
  if (unknown.length > 0) {
    const names = unknown.map((name) => `'${name}'`).join(', ');
    throw new Fault('QuotaResourceUnknown', `Unknown quota resources [${names}].`);
  }
  if (request.checkUsed) await checkAboveUsed(tx, request.projectId, request.limits);
  for (const [resource, limit] of Object.entries(request.limits)) {
    const key = { project_id: request.projectId, resource };
    const updated = await tx.quotas.update(key, { limit });
    if (updated.length === 0) await insertQuota(tx, { ...key, limit });
  }
  return showQuota(tx, call, request.projectId);
}

/** Gives a project the defaults again. */
export async function deleteQuota(tx: Transaction, _call: Call, projectId: string): Promise<void> {
  const removed = await tx.quotas.remove({ project_id: projectId });
  if (removed.length === 0) {
    throw new Fault('TenantQuotaNotFound', `Quota for tenant ${projectId} could not be found.`);
  }
}
