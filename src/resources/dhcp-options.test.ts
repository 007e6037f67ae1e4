import assert from 'node:assert/strict';
import { test } from 'node:test';
import { extraDhcpOpts, mergeDhcpOpts } from './dhcp-options.ts';

const accepts = (opt_name: unknown, opt_value: unknown): boolean =>
  'value' in extraDhcpOpts.read([{ opt_name, opt_value }]);

test('what may stand in a line of configuration', () => {
  for (const [name, value] of [
    ['mtu', '1400'],
    ['119', 'example.org'],
    ['classless-static-route', '10.0.0.0/8,10.0.0.1'],
    ['router', ''],
    ['bootfile-name', 'http://[2001:db8::1]/a?b=c'],
    ['tftp-server', null],
  ])
    assert.ok(accepts(name, value), `${name} ${value}`);
});

test('what may not', () => {
  for (const [name, value] of [
    ['mtu', '1400\ndhcp-script=/bin/sh'],
    ['mtu\n', '1'],
    ['tag:a', '1'],
    ['option:mtu', '1'],
    ['', '1'],
    ['012', '1'],
    ['bootfile-name', ''],
    ['bootfile-name', 'a"b'],
    ['bootfile-name', 'a\\b'],
    ['bootfile-name', '#'],
    ['bootfile-name', 'ä'],
    ['mtu', 1400],
    [null, '1'],
  ])
    assert.ok(!accepts(name, value), `${name} ${value}`);
});

test('an update names single options; the version tells two apart', () => {
  const option = (opt_name: string, opt_value: string, ip_version: 4 | 6 = 4) => ({
    opt_name,
    opt_value,
    ip_version,
  });
  const present = [option('mtu', '1400'), option('dns-server', '::1', 6)];
  const changes = [
    { opt_name: 'mtu', opt_value: null, ip_version: 4 as const },
    { opt_name: 'dns-server', opt_value: null, ip_version: 4 as const },
    option('router', '10.0.0.1'),
    option('dns-server', '::2', 6),
  ];
  assert.deepEqual(mergeDhcpOpts(present, changes), [
    option('dns-server', '::2', 6),
    option('router', '10.0.0.1'),
  ]);
});
