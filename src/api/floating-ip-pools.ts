/** `/v2.0/floatingip-pools`: read only. */
import { listFloatingIpPools, showFloatingIpPool } from '../operations/floating-ip-pool.ts';
import { type FloatingIpPool, floatingIpPoolMap } from '../resources/floating-ip-pool.ts';
import { collection } from './collection.ts';

export const floatingIpPoolCollection = collection<FloatingIpPool>(floatingIpPoolMap, {
  show: showFloatingIpPool,
  list: listFloatingIpPools,
  compute: () => Promise.resolve(() => ({})),
});
