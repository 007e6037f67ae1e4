import assert from 'node:assert/strict';
import { test } from 'node:test';
import { lastReload, parseLog, sinceReload, timesRead } from './log.ts';

const line = (text: string, who = 'dnsmasq-dhcp') => `Nov 21 05:09:45 ${who}[10471]: ${text}\n`;
const LOAD = line('read /d/names-base - 2 names', 'dnsmasq') + line('read /d/base') + line('read /d/fence');

test('what was read, and what was wrong with it', () => {
  const { read, errors } = parseLog(
    line('inotify: /d/hosts/p6 new or modified', 'dnsmasq') +
      line('read /d/hosts/p6') +
      line('duplicate dhcp-host IP address 10.20.1.5 at line 1 of /d/hosts/p6', 'dnsmasq') +
      line('cannot read /d/hosts/p7: No such file or directory', 'dnsmasq') +
      line('read /d/names/p6 - 2 names', 'dnsmasq'),
  );
  assert.deepEqual([...read], ['/d/hosts/p6', '/d/names/p6']);
  assert.deepEqual(errors, [
    { reason: 'duplicate dhcp-host IP address 10.20.1.5', line: 1, path: '/d/hosts/p6' },
    { reason: 'No such file or directory', line: 0, path: '/d/hosts/p7' },
  ]);
});

test('a line that is not finished yet says nothing', () => {
  assert.equal(parseLog(line('read /d/hosts/p6').slice(0, -3)).read.size, 0);
});

test('a client cannot speak for dnsmasq', () => {
  const { read } = parseLog(line('not giving name read /d/hosts/p6 to the DHCP lease of 10.0.0.1'));
  assert.equal(read.size, 0);
});

test('the last start or reload, and what came after it', () => {
  const log = line('read /d/hosts/old') + LOAD + line('read /d/hosts/a') + LOAD + line('read /d/hosts/b');
  assert.equal(timesRead(log, '/d/fence'), 2);
  assert.equal(sinceReload(log, '/d/fence'), line('read /d/hosts/b'));
  const { read } = parseLog(lastReload(log, '/d/names-base', '/d/fence'));
  assert.deepEqual([...read], ['/d/names-base', '/d/base']);
  assert.equal(sinceReload(line('read /d/hosts/a'), '/d/fence'), '');
});

test('what an earlier load could not read is not held against the last one', () => {
  const failed =
    line('failed to load names from /d/names-base: Permission denied') + line('cannot read /d/base: x');
  assert.deepEqual(parseLog(lastReload(failed + LOAD, '/d/names-base', '/d/fence')).errors, []);
});
