/** What another hand does to a network on a host is seen and mended by the agent alone; what serves is left alone. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { inOwnNamespaces } from '../support/own-namespaces.ts';
import { macOf, sh } from './dhcp-stage.ts';
import { DriftStage, type DriftStageOptions } from './drift-stage.ts';
import { DRIFTS, driftNamed } from './drifts.ts';

const TOOLS = ['dnsmasq', 'nft', 'pgrep', 'setsid'];
const missing = TOOLS.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0);
const OLD = '10.20.1.5';

async function whole(options: DriftStageOptions = {}): Promise<DriftStage> {
  const stage = new DriftStage(options);
  await stage.start();
  await stage.settled();
  assert.equal((await stage.ask()).ip, OLD);
  return stage;
}

inOwnNamespaces(import.meta.url, () => {
  if (missing.length > 0) {
    test('drift', { skip: `SKIPPED: needs ${missing.join(', ')}` }, () => undefined);
    return;
  }

  test('with the agent at work', async (t) => {
    const stage = await whole();
    t.after(() => stage.clear());
    for (const drift of DRIFTS) {
      await t.test(`${drift.name}: ${drift.summary}`, async () => {
        const before = stage.readDnsmasqPid();
        stage.cause(drift);
        await stage.mended(drift);
        assert.equal((await stage.ask()).ip, OLD);
        assert.equal(stage.readDnsmasqPid() === before, drift.keepsDnsmasq, 'the dnsmasq that ran');
      });
    }
    await stage.settled();
    await t.test('and no more than that: nothing is left to repair', async () => {
      const before = stage.readDnsmasqPid();
      await stage.stop();
      await stage.start();
      await stage.settled();
      assert.equal(stage.readDnsmasqPid(), before);
    });
  });

  test('while the agent is away', async (t) => {
    const stage = await whole();
    t.after(() => stage.clear());
    const names = ['dnsmasq-replaced', 'dnsmasq-stopped', 'namespace-deleted', 'host-entry-deleted'];
    const quiet = ['configuration-edited', 'guard-rules-deleted', 'dhcp-rule-deleted', 'flood-entry-deleted'];
    for (const drift of [...names, ...quiet].map(driftNamed)) {
      await stage.stop();
      stage.cause(drift);
      await stage.start();
      await stage.mended(drift);
      assert.equal((await stage.ask()).ip, OLD, drift.name);
    }
  });

  test('a full disk takes nothing away, and is said', async (t) => {
    const directory = '/run/dtn-state';
    sh(`mkdir ${directory}; mount -t tmpfs -o size=2m,mode=755 tmpfs ${directory}`);
    const stage = await whole({ stateDirectory: directory });
    t.after(async () => {
      await stage.clear();
      sh(`umount ${directory}`);
    });
    const fill = () => sh(`dd if=/dev/zero of=${directory}/ballast bs=4k 2> /dev/null || true`);
    const reasons = () => stage.reports.get('dhcp')?.exceptions.map((exception) => exception.reason) ?? [];
    const pid = stage.readDnsmasqPid();
    fill();
    stage.addPort(6);
    await stage.until('the agent says so', () => reasons().some((reason) => reason.startsWith('ENOSPC')));
    assert.equal((await stage.ask()).ip, OLD);
    assert.equal(stage.readDnsmasqPid(), pid);
    // One that dies now comes back with what it had.
    process.kill(pid, 'SIGKILL');
    assert.equal((await stage.ask()).ip, OLD);
    // A life that begins now finds all as it is, and the journal whole up to what had room.
    const second = stage.readDnsmasqPid();
    await stage.stop();
    await stage.start();
    assert.equal((await stage.ask()).ip, OLD);
    assert.equal(stage.readDnsmasqPid(), second);
    sh(`rm ${directory}/ballast`);
    await stage.settled();
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.6');
    await stage.stop();
    await stage.start();
    await stage.settled();
    assert.equal((await stage.ask({ mac: macOf(6) })).ip, '10.20.1.6');
  });

  test('a remedy leaves alone what serves', async (t) => {
    const stage = await whole();
    t.after(() => stage.clear());
    const { key } = stage.network;
    const pid = stage.readDnsmasqPid();
    await stage.remedy('dhcp', key, 'rebuild');
    await stage.remedy('l2', key, 'rebuild');
    await stage.settled();
    assert.equal((await stage.ask()).ip, OLD);
    assert.equal(stage.readDnsmasqPid(), pid);
    await stage.remedy('dhcp', key, 'resync');
    await stage.settled();
    assert.equal(stage.readDnsmasqPid(), pid);
  });
});
