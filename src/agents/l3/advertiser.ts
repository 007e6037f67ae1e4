/**
 * radvd for the routers that advertise. Its end is always KILL: its farewell (RFC 4861, 6.2.5) would take the default route
 * from every machine, though another replica, or its next life, serves on.
 */
import { createHash } from 'node:crypto';
import type { Host, ProcessSpec } from '../../host/host.ts';
import type { DesiredRouter } from './desired.ts';
import { paths } from './observe.ts';

export const RA_PREFIX = 'radvd-';
export const raName = (routerId: string): string => RA_PREFIX + routerId;

function specOf(host: Host, { id, namespace, ra }: DesiredRouter, user: string): ProcessSpec {
  const at = paths(id);
  const files = ['-C', host.absolute(at.ra), '-p', host.absolute(at.raPid)];
  const as = user === '' ? [] : ['-u', user];
  const argv = ['radvd', '-n', '-m', 'stderr', ...files, ...as];
  const configHash = createHash('sha256')
    .update(`${argv.join(' ')}\n${ra}`)
    .digest('hex')
    .slice(0, 16);
  return { name: raName(id), namespace, argv, configHash };
}

export async function stopAdvertiser(host: Host, routerId: string): Promise<boolean> {
  if ((await host.findProcess(raName(routerId))) === null) return false;
  await host.signalProcess(raName(routerId), 'KILL');
  await host.stopProcess(raName(routerId), 0);
  return true;
}

/**
 * Makes radvd be as the router wants it; says whether it had to do anything. `user`: whom it becomes; '': nobody else.
 * Another configuration is another radvd: a machine hears of it at once, and one that missed a signal would go on unseen.
 */
export async function ensureAdvertiser(host: Host, router: DesiredRouter, user: string): Promise<boolean> {
  if (router.ra === '') return stopAdvertiser(host, router.id);
  const spec = specOf(host, router, user);
  const found = await host.findProcess(spec.name);
  const isHere = found !== null && !(await host.isAstray(spec.name, router.namespace));
  if (isHere && found.stuck === null && found.configHash === spec.configHash) return false;
  await stopAdvertiser(host, router.id);
  await host.writeFile(paths(router.id).ra, router.ra);
  await host.startProcess(spec);
  return true;
}
