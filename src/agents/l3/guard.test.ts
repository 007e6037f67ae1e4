/** Whom a pid file lets the agent kill: on Linux, where another program plays keepalived. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { id } from '../../../test/support/network-objects.ts';
import { linuxHost, until } from '../../../test/support/linux-host.ts';
import { inOwnNamespaces } from '../../../test/support/own-namespaces.ts';
import { killKeepalived } from './guard.ts';
import { paths } from './observe.ts';

const ROUTERS = [id(1), id(2)] as const;

inOwnNamespaces(import.meta.url, () => {
  test('a pid file of before the host was started anew kills nobody else’s keepalived', async (t) => {
    const host = linuxHost(t);
    for (const router of ROUTERS)
      for (const path of [paths(router).keepalivedPid, paths(router).vrrpPid]) await host.writeFile(path, '');
    const program = join(dirname(host.absolute('x')), 'keepalived');
    symlinkSync(spawnSync('sh', ['-c', 'command -v tail'], { encoding: 'utf8' }).stdout.trim(), program);
    const files = [paths(ROUTERS[0]).keepalivedPid, paths(ROUTERS[0]).vrrpPid];
    const argv = [program, '-f', ...files.map((path) => host.absolute(path))];
    const { pid } = await host.startProcess({ name: 'dtn-k', namespace: null, argv, configHash: '' });
    const isThere = async () => (await host.findProcess('dtn-k')) !== null;
    const own = async () => (await host.runProgram(null, ['cat', `/proc/${pid}/comm`])).stdout.trim();
    await until('it is the program', async () => (await own()) === 'keepalived');

    await host.writeFile(paths(ROUTERS[1]).keepalivedPid, `${pid}\n`);
    await host.writeFile(paths(ROUTERS[1]).vrrpPid, `${pid}\n`);
    await killKeepalived(host, ROUTERS[1]);
    // One that was killed may take a moment to end, and says nothing more.
    await host.appendDurably(paths(ROUTERS[0]).keepalivedPid, 'still here\n');
    const says = async () => ((await host.readFile('log/dtn-k.log')) ?? '').includes('still here');
    await until('it goes on, or has ended', async () => (await says()) || !(await isThere()));
    assert.equal(await isThere(), true);
    await host.writeFile(paths(ROUTERS[0]).vrrpPid, `${pid}\n`);
    await killKeepalived(host, ROUTERS[0]);
    await until('it is killed', async () => !(await isThere()));
  });
});
