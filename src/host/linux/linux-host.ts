import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Clock } from '../../lib/clock.ts';
import type { Host } from '../host.ts';
import { createConnections } from './connections.ts';
import { createFileWatch } from './file-watch.ts';
import { createFiles } from './files.ts';
import { createFlood } from './flood.ts';
import { namespaceName, sysctlPath } from '../grammar.ts';
import { createGuarded } from './guarded.ts';
import { createLinks } from './links.ts';
import { followKernel } from './monitor.ts';
import { createNamespaces, followNamespaces, writeSysctls } from './namespaces.ts';
import { createProcesses } from './processes.ts';
import { createProbes } from './probes.ts';
import { createProgramFacts } from './program-facts.ts';
import { createRoutes } from './routes.ts';
import { createRuleset } from './ruleset.ts';
import { createShapers } from './shapers.ts';
import { createSpawner, inNamespace } from './spawner.ts';
import { createUnderlays } from './underlay.ts';

export interface LinuxHostOptions {
  /** Absolute, or taken from the working directory. All files and process marks lie under it; one agent at a time. */
  readonly stateDirectory: string;
  readonly clock: Clock;
  /** Programs at a time; default 8. */
  readonly spawnLimit?: number;
  /** Longest that one program may take; default 10 s. */
  readonly stepTimeoutMs?: number;
  /** Put before every program, to act in a network namespace other than this process's own: `nsenter --net=...`. */
  readonly enter?: readonly string[];
}

/**
 * The host in whose network and mount namespaces this process runs. Needs CAP_NET_ADMIN and CAP_SYS_ADMIN there, and
 * `ip`, `bridge`, `tc`, `nft`, `nsenter`, `sh`.
 */
export function createLinuxHost(options: LinuxHostOptions): Host {
  const { clock, enter = [] } = options;
  const stateDirectory = resolve(options.stateDirectory);
  const spawner = createSpawner({
    clock,
    limit: options.spawnLimit ?? 8,
    timeoutMs: options.stepTimeoutMs ?? 10_000,
    enter,
  });
  const fileWatch = createFileWatch(stateDirectory);
  const files = createFiles(stateDirectory, fileWatch);
  const { watch, ...processes } = createProcesses({ stateDirectory, clock, files, enter });
  const { stage: _, ...fileVerbs } = files;

  return {
    ...createNamespaces(spawner, async (holder) => (await processes.findProcess(holder))?.pid ?? null),
    ...createLinks(spawner),
    ...createRoutes(spawner),
    ...createFlood(spawner),
    ...createShapers(spawner),
    ...createRuleset(spawner, files),
    ...createConnections(spawner),
    ...createProgramFacts(),
    ...createGuarded({ clock, enter }),
    ...createUnderlays(spawner),
    ...createProbes({ clock, enter }),
    ...fileVerbs,
    ...processes,

    async setSysctls(namespace, values) {
      const pairs = Object.entries(values).map(([name, value]) => [sysctlPath(name), value] as const);
      if (namespace !== null || enter.length > 0) return writeSysctls(spawner, namespace, pairs);
      for (const [path, value] of pairs) await writeFile(`/proc/sys/${path}`, `${value}\n`);
    },

    async runProgram(namespace, argv) {
      return spawner.run(inNamespace(namespace === null ? null : namespaceName(namespace), argv));
    },

    async follow(onEvent, signal) {
      fileWatch.listen((path) => onEvent({ type: 'file', path }), signal);
      followNamespaces(clock, (name, news) => onEvent({ type: 'namespace', name, news }), signal);
      await Promise.all([
        followKernel({ clock, onEvent, signal, enter, isOwn: spawner.isOwn }),
        watch(onEvent, signal),
      ]);
      fileWatch.close();
    },
  };
}
