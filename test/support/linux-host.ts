/** The real host for a test in namespaces of its own (own-namespaces.ts). */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Host } from '../../src/host/host.ts';
import { createLinuxHost } from '../../src/host/linux/linux-host.ts';
import { realClock, sleep } from '../../src/lib/clock.ts';

/** Its programs, links and files go with the test. With a state directory that another already had, it is that one's later life. */
export function linuxHost(t: TestContext, existing?: string): Host {
  const stateDirectory = existing ?? mkdtempSync(join(tmpdir(), 'dtn-host-'));
  const host = createLinuxHost({ stateDirectory, clock: realClock });
  t.after(async () => {
    for (const name of await host.processes()) await host.stopProcess(name, 100);
    for (const link of await host.links()) {
      if (link.name !== 'lo') await host.changeLinks(null, [{ op: 'delete-link', name: link.name }]);
    }
    rmSync(stateDirectory, { recursive: true, force: true });
  });
  return host;
}

/** Waits until it holds on a host, real or fake; fails after a minute. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = realClock.now() + 60_000;
  while (!(await holds())) {
    assert.ok(realClock.now() < deadline, `never came true: ${what}`);
    await sleep(realClock, 5);
  }
}
