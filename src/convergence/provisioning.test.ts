import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReportException } from '../resources/agent.ts';
import type { ProvisioningBlockRow } from '../resources/port.ts';
import { type BlockFacts, isLifted, type Progress, type Server } from './provisioning.ts';

const Q = 10;
const block = (entity: 'L2' | 'DHCP', changes: Partial<ProvisioningBlockRow> = {}): ProvisioningBlockRow => ({
  port_id: 'p',
  entity,
  tag: 1,
  position: Q,
  generation: 3,
  ...changes,
});
const progress = (host: string, realised: number | null, ...exceptions: ReportException[]): Progress => ({
  host,
  realised,
  exceptions,
});
const exception = (changes: Partial<ReportException> = {}): ReportException => ({
  key: 'network/n',
  object: '',
  state: 'failed',
  since: Q,
  reason: '',
  ...changes,
});
const facts = (l2: Progress[], dhcp: Server[] = [], changes: Partial<BlockFacts> = {}): BlockFacts => ({
  networkId: 'n',
  portId: 'p',
  generation: 3,
  boundHost: 'a',
  l2: new Map(l2.map((one) => [one.host, one])),
  dhcp,
  ...changes,
});
const alive = (one: Progress, since: number | null = 0) => ({ ...one, alive: true, since });

test('L2 is lifted once the bound host is at or above the position', () => {
  assert.equal(isLifted(block('L2'), facts([progress('a', Q)])), true);
  assert.equal(isLifted(block('L2'), facts([progress('a', Q + 5)])), true);
  assert.equal(isLifted(block('L2'), facts([progress('a', Q - 1)])), false);
  assert.equal(isLifted(block('L2'), facts([progress('a', null)])), false);
  assert.equal(isLifted(block('L2'), facts([])), false);
});

test('nothing lifts a block without a position or of another generation', () => {
  const there = facts([progress('a', Q)]);
  assert.equal(isLifted(block('L2', { position: null }), there), false);
  assert.equal(isLifted(block('L2', { generation: 2 }), there), false);
});

test('an exception holds the port that it is about, and no other', () => {
  const lifted = (changes: Partial<ReportException>) =>
    isLifted(block('L2'), facts([progress('a', Q, exception(changes))]));
  assert.equal(lifted({ object: 'port/p' }), false);
  assert.equal(lifted({ object: '' }), false);
  assert.equal(lifted({ object: 'port/other' }), true);
  assert.equal(lifted({ key: 'network/other' }), true);
});

test('a port is not wired before all that its firewall is made of is in force', () => {
  const firewall = new Set(['security-group/g', 'members/r']);
  const lifted = (changes: Partial<ReportException>) =>
    isLifted(block('L2'), facts([progress('a', Q, exception(changes))], [], { firewall }));
  assert.equal(lifted({ key: 'security-group/g' }), false);
  assert.equal(lifted({ key: 'members/r', object: 'member/x' }), false);
  assert.equal(lifted({ key: 'security-group/other' }), true);
  // it stood when the port came, and a rule that was added since does not
  assert.equal(lifted({ key: 'security-group/g', since: Q + 1 }), true);
});

test('what is outstanding of a later change does not hold an earlier one; what waits does', () => {
  const lifted = (changes: Partial<ReportException>) =>
    isLifted(block('L2'), facts([progress('a', Q + 9, exception(changes))]));
  assert.equal(lifted({ state: 'pending', since: Q + 1 }), true);
  assert.equal(lifted({ state: 'pending', since: Q }), false);
  assert.equal(lifted({ state: 'waiting', object: 'port/p', since: Q + 1 }), false);
});

test('L2 also waits for living DHCP hosts to flood to the bound one', () => {
  const dhcp = [alive(progress('a', null)), alive(progress('d', null))];
  const with_ = (d: Progress[], list = dhcp) => isLifted(block('L2'), facts([progress('a', Q), ...d], list));
  assert.equal(with_([progress('d', Q - 1)]), false);
  assert.equal(with_([progress('d', Q)]), true);
  assert.equal(with_([progress('d', Q, exception({ object: 'port/p' }))]), true);
  assert.equal(with_([progress('d', Q, exception())]), false);
  assert.equal(with_([progress('d', Q, exception({ object: 'endpoint/a' }))]), false);
  assert.equal(with_([progress('d', Q, exception({ object: 'endpoint/z' }))]), true);
  assert.equal(with_([progress('d', null)], [{ ...progress('d', null), alive: false, since: 0 }]), true);
  assert.equal(with_([], dhcp), true);
});

test('DHCP is lifted by any one of the agents, dead or alive now', () => {
  const lifted = (...dhcp: Progress[]) =>
    isLifted(
      block('DHCP'),
      facts(
        [],
        dhcp.map((one) => ({ ...one, alive: false, since: 0 })),
      ),
    );
  assert.equal(lifted(), false);
  assert.equal(lifted(progress('d', Q - 1), progress('e', Q)), true);
  assert.equal(lifted(progress('d', Q, exception({ object: 'port/p' }))), false);
  assert.equal(lifted(progress('d', Q, exception()), progress('e', Q - 1)), false);
});

test('an agent that was given the network later lifts DHCP only from its binding on, and the old one does until it goes', () => {
  const lifted = (...dhcp: Server[]) => isLifted(block('DHCP'), facts([progress('a', Q)], dhcp));
  assert.equal(lifted(alive(progress('new', Q + 4), Q + 5)), false);
  assert.equal(lifted(alive(progress('new', Q + 5), Q + 5)), true);
  assert.equal(lifted(alive(progress('new', Q + 5), null)), false);
  assert.equal(lifted(alive(progress('new', Q), Q + 5), alive(progress('old', Q))), true);
});

test('one that was only just given the network does not hold a port that others serve', () => {
  const l2 = [progress('a', Q), progress('old', Q), progress('new', Q - 5)];
  const lifted = (...dhcp: Server[]) => isLifted(block('L2'), facts(l2, dhcp));
  assert.equal(lifted(alive(progress('old', Q)), alive(progress('new', Q - 1), Q)), true);
  assert.equal(lifted(alive(progress('old', Q)), alive(progress('new', Q), Q)), false);
  assert.equal(lifted(alive(progress('new', Q - 1), Q)), false, 'nobody else is there');
});
