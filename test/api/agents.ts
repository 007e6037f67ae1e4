/** Agents for tests: a host's agent as it is after its process has connected once. */
import { realClock } from '../../src/lib/clock.ts';
import { realRandom } from '../../src/lib/random.ts';
import { registerAgent } from '../../src/operations/agent.ts';
import { addHost } from '../../src/operations/host.ts';
import type { Role } from '../../src/resources/agent.ts';
import { SETTINGS, type ApiUnderTest } from './api-under-test.ts';

const call = {
  caller: { projectId: 'admin', userId: 'admin', isAdmin: true },
  clock: realClock,
  random: realRandom,
  settings: SETTINGS,
  isAlive: () => true,
  isEligible: () => true,
};

/** Registers the host if need be, and the agent; gives the agent's id. */
export async function addAgent(
  api: ApiUnderTest,
  { host, role }: { host: string; role: Role },
): Promise<string> {
  const { result } = await api.store.transact(async (tx) => {
    if ((await tx.hosts.count({ name: host })) === 0)
      await addHost(tx, call, { name: host, secret: () => realRandom.uuid() });
    return registerAgent(tx, call, {
      host,
      role,
      incarnation: 1,
      tunnel_ip: '10.255.0.1',
      physical_networks: ['physnet1'],
      configurations: { networks: 0 },
      server_id: 'test',
    });
  });
  return result.id;
}
