import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isDomain, isPlainPath, isText } from './grammar.ts';
import { clientIdOf, renderOption } from './options.ts';

const render = (opt_name: string, opt_value: string, ip_version: 4 | 6 = 4): string | null => {
  const rendered = renderOption('port-x', { opt_name, opt_value, ip_version });
  return 'line' in rendered ? rendered.line : null;
};

test('options by name and by number', () => {
  for (const [name, value, line] of [
    ['mtu', '1400', 'option:mtu,1400'],
    ['26', '1400', '26,1400'],
    ['bootfile-name', 'pxelinux.0', 'option:bootfile-name,pxelinux.0'],
    ['bootfile-name', 'http://192.0.2.1/b?mac=$mac', 'option:bootfile-name,http://192.0.2.1/b?mac=$mac'],
    ['dns-server', '192.0.2.1, 192.0.2.2', 'option:dns-server,192.0.2.1,192.0.2.2'],
    ['server-ip-address', '192.0.2.69', 'option:server-ip-address,192.0.2.69'],
    ['classless-static-route', '10.0.0.0/8,192.0.2.1', 'option:classless-static-route,10.0.0.0/8,192.0.2.1'],
    ['router', '', 'option:router'],
    ['domain-search', 'a.example,b.example', 'option:domain-search,a.example,b.example'],
    ['224', '00:11:22', '224,00:11:22'],
  ] as const)
    assert.equal(render(name, value), `tag:port-x,${line}`);
  assert.equal(render('tag:!ipxe,67', 'undionly.kpxe'), 'tag:port-x,tag:!ipxe,67,undionly.kpxe');
  assert.equal(
    render('dns-server', 'fd00::1,[fd00::2]', 6),
    'tag:port-x,option6:dns-server,[fd00::1],[fd00::2]',
  );
  assert.equal(render('59', 'tftp://[fd00::1]/x', 6), 'tag:port-x,option6:59,tftp://[fd00::1]/x');
});

test('what is refused', () => {
  for (const [name, value] of [
    ['mtu', 'zzz'],
    ['mtu', '65536'],
    ['mtu', '01400'],
    ['router', '192.0.2.1,x'],
    ['router', 'fd00::1'],
    ['classless-static-route', '10.0.0.0/8'],
    ['classless-static-route', '10.0.0.0/33,192.0.2.1'],
    ['bootfile-name', 'a,option:router,192.0.2.66'],
    ['bootfile-name', 'a\ndhcp-script=/bin/sh'],
    ['bootfile-name', 'a\rb'],
    ['bootfile-name', '"quoted'],
    ['bootfile-name', 'a #b'],
    ['bootfile-name', 'a\\nb'],
    ['bootfile-name', ''],
    ['bootfile-name', 'x'.repeat(256)],
    ['no-such-option', '1'],
    ['mtu,1400\ndhcp-script', '1'],
    ['tag:known,67', 'x'],
    ['53', '5'],
    ['54', '192.0.2.1'],
    ['0', '1'],
    ['255', '1'],
    ['dns-server', 'fd00::1%eth0'],
  ] as const)
    assert.equal(render(name, value), null, `${name}=${JSON.stringify(value)}`);
  assert.equal(render('1', '00:01', 6), null);
});

test('a refusal never repeats the value, and a line never holds more than one option', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), fc.constantFrom(4 as const, 6 as const), (name, value, version) => {
      const names = ['bootfile-name', 'router', 'mtu', '224', '59', name];
      for (const each of names) {
        const rendered = renderOption('port-x', { opt_name: each, opt_value: value, ip_version: version });
        if ('line' in rendered) assert.match(rendered.line, /^tag:port-x,[^\n\r"#\\\0]+$/);
        else assert.ok(value.length < 12 || !rendered.refused.includes(value));
      }
    }),
  );
});

test('texts, names and paths', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      if (isText(text)) assert.match(text, /^[ -~]+$/);
      if (isText(text)) assert.doesNotMatch(text, /[",#\\]|^ | $/);
      if (isDomain(text)) assert.match(text, /^[A-Za-z0-9.-]+$/);
      if (isPlainPath(text)) assert.doesNotMatch(text, /[\s,"#]/);
    }),
  );
});

test('the client identifier', () => {
  const of = (opt_value: string) => clientIdOf([{ opt_name: 'client-id', opt_value, ip_version: 4 }]);
  assert.equal(of('01:aa:bb').id, '01:aa:bb');
  assert.equal(of('a,set:x').id, null);
  assert.notEqual(of('a,set:x').refused, null);
});
