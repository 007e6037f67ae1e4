/** A host's power, for faults: off, nothing of it is left but its disk. */
import { holderName } from '../../src/lab/ground.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { SEGMENTS } from '../../src/lab/layout.ts';
import { namespacesOfNode } from '../../src/lab/lifecycle.ts';
import {
  findRunning,
  type Identity,
  isRunning,
  namespaceOf,
  scanProcesses,
  signal,
} from '../../src/lab/processes.ts';
import { until } from '../../src/lab/until.ts';
import { realClock } from '../../src/lib/clock.ts';

const FORGET = `
for n in $(ip netns list | cut -d' ' -f1); do ip netns delete $n; done
for l in $(ip -br link | cut -d' ' -f1 | cut -d@ -f1 | grep -E '^(brq|vxlan-|tap)'); do ip link delete $l; done
nft flush ruleset
ip neighbour flush all`;

/**
 * All links go at once, then every process without a last word. How many processes ended. What the kernel had is gone when the
 * power is back: to take it apart now would hold up the kernel that the other hosts share in a lab. That includes what waits for an
 * answer to ARP: adverts from before the loss would come out a second after the links are back.
 */
export async function switchOff(lab: Lab, host: string): Promise<number> {
  const node = lab.node(host);
  // Whoever loses the power sees no link go first, and writes down nothing of it.
  lab.signal(host, 'agent', 'SIGSTOP');
  await lab.cut(
    ...SEGMENTS.map((segment) => ({ node: host, segment, kind: 'carrier', direction: 'both' }) as const),
  );
  const holder = findRunning(lab.layout.stateDirectory, holderName(node));
  const namespaces = namespacesOfNode(lab.layout, node);
  const inhabitants = () =>
    scanProcesses((pid) => pid !== holder?.pid && namespaces.has(namespaceOf(pid, 'net') ?? ''));
  // All stand still before the first is gone: one that is left, a guard for one, would start another anew.
  const still = new Map<number, Identity>();
  for (let found = inhabitants(); found.some(({ pid }) => !still.has(pid)); found = inhabitants())
    for (const one of found) {
      signal(one, 'SIGSTOP');
      still.set(one.pid, one);
    }
  const targets = [...still.values()];
  for (const one of targets) signal(one, 'SIGKILL');
  const gone = () => !targets.some(isRunning);
  await until(realClock, { what: 'all of a host ends', timeoutMs: 10_000, everyMs: 5 }, gone);
  return targets.length;
}

/** The links are back, and nothing else; agent and machines are whoever's that started them. */
export async function switchOn(lab: Lab, host: string): Promise<void> {
  await lab.run(host, ['sh', '-c', FORGET]);
  await lab.heal(host);
}
