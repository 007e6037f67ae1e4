import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AGENT_OPTIONS, isLoopback, parseListenAddress, SERVER_OPTIONS } from './config.ts';
import { configurationPage } from './configuration-page.ts';
import { ConfigurationError, type Option, type OptionTable, settle } from './options.ts';

test('listen addresses', () => {
  assert.deepEqual(parseListenAddress('127.0.0.1:9696'), { kind: 'tcp', host: '127.0.0.1', port: 9696 });
  assert.deepEqual(parseListenAddress('[::1]:80'), { kind: 'tcp', host: '::1', port: 80 });
  assert.deepEqual(parseListenAddress('unix:/run/x'), { kind: 'unix', path: '/run/x' });
  for (const wrong of ['9696', ':9696', 'host:99999', 'unix:', 'a:b:1', '']) {
    assert.equal(parseListenAddress(wrong), undefined, wrong);
  }
});

test('what only this machine can reach', () => {
  const loopback = (text: string) =>
    isLoopback(parseListenAddress(text) as NonNullable<ReturnType<typeof parseListenAddress>>);
  assert.deepEqual(['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1', 'unix:/x'].map(loopback), [
    true,
    true,
    true,
    true,
    true,
  ]);
  assert.deepEqual(['0.0.0.0:1', '10.0.0.1:1', '[::]:1', 'example.org:1'].map(loopback), [
    false,
    false,
    false,
    false,
  ]);
});

test('the configuration page is made from the option tables', () => {
  assert.equal(readFileSync('docs/operate/configuration.md', 'utf8'), configurationPage());
});

test('every number has a range with its default in it', () => {
  for (const [name, option] of Object.entries<Option>({ ...SERVER_OPTIONS, ...AGENT_OPTIONS })) {
    if (option.kind !== 'integer') continue;
    const { min, max, default: value } = option;
    assert.ok(min !== undefined && max !== undefined, name);
    assert.ok(Number(value) >= min && Number(value) <= max, name);
  }
});

test('a configuration that would do harm is refused', () => {
  const refused = (table: OptionTable, argv: string[]) =>
    assert.throws(() => settle(table, { argv, env: {}, readFile: () => '' }), ConfigurationError, argv[0]);
  for (const wrong of [
    ...['dhcp-agents-per-network=0', 'events-keep=-1', 'events-keep-days=-3', 'change-log-keep=-1'],
    ...[
      'change-log-keep-seconds=-1',
      'drain-seconds=-4',
      'agent-down-seconds=3000000',
      'agent-down-seconds=1',
    ],
    ...['deadline-multiplier=99999999', 'rebalance-per-minute=-1', 'quota-port=-7', 'log-level=loud'],
    ...[
      'underlay-mtu=1329',
      'max-l3-agents-per-router=0',
      'reschedule-per-second=0',
      'reschedule-in-flight=0',
    ],
  ]) {
    refused(SERVER_OPTIONS, [`--${wrong}`]);
  }
  for (const wrong of ['audit-seconds=0', 'report-interval-seconds=-5', 'dhcp-lease-seconds=1', 'log-level='])
    refused(AGENT_OPTIONS, [`--${wrong}`]);
});
