/** Wires fencing, where the operator named devices. */
import { hostname } from 'node:os';
import type { Duty } from '../background/duties.ts';
import { fenceCheckDuty } from '../background/fence-checks.ts';
import { type FenceDevices, fencingDuty, type FencingOptions } from '../background/fencing.ts';
import type { AgentPresence } from '../background/presence.ts';
import type { ServerConfig } from './config.ts';
import { fenceDevicesOf, problemsOfAgent, readFenceFile } from './fence-agents.ts';
import { ConfigurationError } from './options.ts';

/** @throws ConfigurationError where devices are named and cannot be relied on. */
export async function checkFenceDevices(path: string | null): Promise<void> {
  if (path === null) return;
  try {
    for (const { host, agent } of (await readFenceFile(path)).values()) {
      const [problem] = await problemsOfAgent(agent);
      if (problem !== undefined) throw new Error(`${host}: ${problem}`);
    }
  } catch (error) {
    throw new ConfigurationError(`--fence-devices: ${(error as Error).message}`);
  }
}

/** Hosts that the file names, as it was last relied on: one that is wrong for a moment ends nobody's place. */
export function fencibleHosts(path: string | null): () => Promise<ReadonlySet<string>> {
  let known: ReadonlySet<string> = new Set();
  if (path === null) return async () => known;
  const devices = fenceDevicesOf(path);
  return async () => {
    known = await devices.hosts().catch(() => known);
    return known;
  };
}

/** Without a file there is nothing to ask: what was told of devices before is over. */
const NO_DEVICES: FenceDevices = {
  hosts: async () => new Set(),
  act: async () => ({ power: 'unknown', text: 'there is no fence device' }),
};

type Parts = Omit<FencingOptions, 'isHeard' | 'promptSince' | 'ownHost' | 'devices' | 'rules'>;

export function fencingDuties(
  config: ServerConfig,
  { presence, ...parts }: Parts & { readonly presence: AgentPresence },
): Duty[] {
  const path = config['fence-devices'];
  const devices = path === null ? NO_DEVICES : fenceDevicesOf(path);
  const check = fenceCheckDuty({
    ...{ ...parts, devices },
    rules: {
      everyMs: config['fence-check-seconds'] * 1000,
      silentMs: config['agent-down-seconds'] * 1000,
    },
  });
  if (path === null) return [check];
  return [
    check,
    fencingDuty({
      ...parts,
      isHeard: (id) => presence.isHeard(id),
      promptSince: (now) => presence.attention.since(now),
      ownHost: hostname(),
      devices,
      rules: {
        afterMs: config['fence-after-seconds'] * 1000,
        windowMs: config['fence-window-seconds'] * 1000,
        endsMachines: config['fence-vm-hosts'],
      },
    }),
  ];
}
