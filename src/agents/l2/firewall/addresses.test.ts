import assert from 'node:assert/strict';
import { test } from 'node:test';
import { disjoint, linkLocal, parsePrefix } from './addresses.ts';

test('addresses and prefixes are said as nft says them, without host bits', () => {
  const said = (text: string) => parsePrefix(text)?.text ?? null;
  assert.equal(said('10.1.2.3'), '10.1.2.3');
  assert.equal(said('10.1.2.3/32'), '10.1.2.3');
  assert.equal(said('10.1.2.3/23'), '10.1.2.0/23');
  assert.equal(said('0.0.0.0/0'), '0.0.0.0/0');
  assert.equal(said('2001:DB8:0:0:0::1'), '2001:db8::1');
  assert.equal(said('2001:db8::ff/124'), '2001:db8::f0/124');
  assert.equal(said('::ffff:1.2.3.4'), '::ffff:1.2.3.4');
  assert.equal(said('::/0'), '::/0');
  for (const wrong of ['', '10.0.0.1/33', '10.0.0.1/', 'fe80::1%eth0', '10.0.0.0/8/8', 'a', '::/129'])
    assert.equal(said(wrong), null, wrong);
});

test('the link-local address of a MAC address', () => {
  assert.equal(linkLocal('fa:16:3e:00:00:01').text, 'fe80::f816:3eff:fe00:1');
  assert.equal(linkLocal('02:00:00:00:00:0a').text, 'fe80::ff:fe00:a');
});

test('of prefixes only those stay that lie in no other', () => {
  const all = ['10.0.0.0/24', '10.0.0.128/25', '10.0.1.0/24', '10.0.0.0/24', '10.0.0.0/16', '9.0.0.0/8'];
  const left = disjoint(all.flatMap((text) => parsePrefix(text) ?? []));
  assert.deepEqual(
    left.map(({ text }) => text),
    ['9.0.0.0/8', '10.0.0.0/16'],
  );
});
