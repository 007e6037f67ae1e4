/** Rows in which a host answers to its addresses, and yet what tenants send does not arrive. */
import { eventRow } from './event.ts';
import type { Row } from './row.ts';

/** As somebody's firewall that was loaded anew without Deuteron in mind. */
const RULES =
  'table inet firewall { chain input { type filter hook input priority 0; udp dport 4789 drop; }; }';

export const tunnelPortLost: Row = eventRow({
  name: 'tunnel-port-lost',
  needsFresh: true,
  summary: 'a firewall on the active’s host drops what comes by tunnels; its addresses answer as before',
  budget: { p50Ms: 3_000, maxMs: 5_000 },
  figure: 'moved',
  pinged: 'elsewhere',
  serves: 'another',
  lastsMs: { short: 300, long: 2_000 },
  cause: ({ grounds, active }) => grounds.stage.lab.run(active, ['nft', RULES]),
  heal: ({ grounds, active }) => grounds.stage.lab.run(active, ['nft', 'delete table inet firewall']),
});
