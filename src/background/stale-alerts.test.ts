import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listEvents, record } from '../operations/event.ts';
import { removeHost } from '../operations/host.ts';
import { bench } from '../operations/testing.ts';
import { EventWriter } from './event-writer.ts';
import { StaleAlerts } from './stale-alerts.ts';

async function stage() {
  const b = bench();
  await b.host('h1');
  await b.host('h2');
  for (const [host, alert] of [
    ['h1', 'stuck'],
    ['h1', 'silent'],
    ['h2', 'lagging'],
    ['', 'mass-silence'],
  ] as const)
    await b.run((tx) =>
      record(tx, b.call, {
        ...{ kind: 'alert', severity: 'error', host, role: 'l2', object: host && 'network/n' },
        ...{ message: `${host} ${alert}`, data: { alert } },
      }),
    );
  let connected: string[] = [];
  const events = new EventWriter({ store: b.store, call: () => b.call, tell: () => undefined });
  const alerts = new StaleAlerts({
    ...{ store: b.store, events, connected: () => connected },
    isHeld: (alert) => alert.data['alert'] === 'stuck',
  });
  const open = async () => {
    await events.flush();
    const found = await b.store.view((view) => listEvents(view, { filters: [], isOpen: true }));
    return found.map((event) => event.message).sort();
  };
  const connect = (...hosts: string[]) => {
    connected = hosts;
  };
  return { ...b, alerts, open, connect };
}

test('what was told of a removed host ends, and nothing else', async () => {
  const { alerts, open, run, call } = await stage();
  const all = [' mass-silence', 'h1 silent', 'h1 stuck', 'h2 lagging'];
  await alerts.sweepGone();
  assert.deepEqual(await open(), all);
  await run((tx) => removeHost(tx, call, { name: 'h1', force: true }));
  await alerts.sweepGone();
  assert.deepEqual(await open(), [' mass-silence', 'h2 lagging']);
});

test('what another told of an agent that is connected here ends, unless it is followed up here', async () => {
  const { alerts, open, connect } = await stage();
  connect('h1');
  await alerts.sweep();
  assert.equal((await open()).length, 4, 'what is overdue may not have been found yet');
  await alerts.sweep();
  assert.deepEqual(await open(), [' mass-silence', 'h1 stuck', 'h2 lagging']);
});
