import assert from 'node:assert/strict';
import { test } from 'node:test';
import { id } from '../../../test/support/network-objects.ts';
import type { Link } from '../../host/host.ts';
import type { DesiredNetwork } from './desired.ts';
import type { PortEntry } from './entry.ts';
import type { ObservedFiles } from './observed.ts';
import { planService, planWiring, type ServiceInput } from './plan.ts';

const mac = (n: number) => `fa:16:3e:00:00:0${n}`;

function entry(n: number, ip = `10.0.0.${n}`): PortEntry {
  return {
    hosts: `${mac(n)},host.example,${ip}\n`,
    names: `${ip} host.example host\n`,
    leases: [{ mac: mac(n), ip, name: 'host' }],
    claims: [mac(n), ip],
  };
}

const network = (
  entries: readonly [number, PortEntry][],
  fields: Partial<DesiredNetwork> = {},
): DesiredNetwork => ({
  id: id(1),
  namespace: 'qdhcp-x',
  processName: 'dnsmasq-x',
  directory: 'dhcp/x',
  tap: 'tapd',
  link: 'ns-d',
  mac: mac(9),
  mtu: 1450,
  addresses: ['10.0.0.2/24'],
  domain: 'example',
  dhcpPortId: id(0xd0),
  subnets: [],
  tagged: [],
  portOptions: [],
  entries: new Map(entries.map(([n, made]) => [id(n), made])),
  ...fields,
});

const files = (
  entries: readonly [number, PortEntry][],
  fields: Partial<ObservedFiles> = {},
): ObservedFiles => ({
  conf: 'conf',
  options: 'options',
  torn: false,
  ports: new Map(entries.map(([n, made]) => [id(n), { hosts: made.hosts, names: made.names }])),
  untidy: false,
  reloading: null,
  unconfirmed: false,
  rejected: [],
  ...fields,
});

function plan(input: Partial<ServiceInput>) {
  return planService({
    network: network([]),
    conf: 'conf',
    options: 'options',
    hash: 'h',
    files: files([]),
    process: { pid: 7, configHash: 'h', stuck: null },
    fresh: false,
    watched: true,
    reloadable: true,
    staleForMs: null,
    coalesceMs: 30_000,
    startedForMs: null,
    ...input,
  });
}

const op = (input: Partial<ServiceInput>) => plan(input).service.op;
const one: [number, PortEntry] = [1, entry(1)];
const two: [number, PortEntry] = [2, entry(2)];

test('nothing to do', () => {
  const { service, againMs } = plan({ network: network([one]), files: files([one]) });
  assert.deepEqual([service.op, againMs], ['none', null]);
});

test('what needs a start', () => {
  assert.equal(op({ process: null }), 'start');
  assert.equal(op({ fresh: true }), 'start');
  assert.equal(op({ process: { pid: 7, configHash: 'h', stuck: 'is stopped' } }), 'start');
  assert.equal(op({ files: files([], { torn: true }) }), 'start');
  assert.equal(op({ process: { pid: 7, configHash: 'other', stuck: null } }), 'start');
});

test('a configuration that another hand edited is written anew, without a restart', () => {
  assert.equal(op({ files: files([], { conf: 'edited' }) }), 'rewrite');
  assert.equal(op({ files: files([], { conf: null }) }), 'rewrite');
  const both = plan({ files: files([], { conf: 'edited', options: 'edited' }) });
  assert.deepEqual([both.service.op, both.againMs], ['reload', 0]);
});

test('a new port is added, without a reload', () => {
  const { service } = plan({ network: network([one, two]), files: files([one]) });
  assert.deepEqual(service, { op: 'add', portIds: [id(2)] });
});

test('a new port is a reload where files are not watched', () => {
  assert.equal(op({ network: network([one, two]), files: files([one]), watched: false }), 'reload');
});

test('a removal waits for company, at most its time', () => {
  const removal = { network: network([one]), files: files([one, two]) };
  const waits = plan({ ...removal, staleForMs: 10_000 });
  assert.deepEqual([waits.service.op, waits.againMs, waits.stale], ['none', 20_000, true]);
  const due = plan({ ...removal, staleForMs: 30_000 });
  assert.equal(due.service.op, 'reload');
  assert.deepEqual(due.releases, [{ mac: mac(2), ip: '10.0.0.2' }]);
  const hurried = plan({ ...removal, staleForMs: 500, coalesceMs: 2_000 });
  assert.deepEqual([hurried.service.op, hurried.againMs], ['none', 1_500]);
  assert.equal(op({ ...removal, staleForMs: 2_000, coalesceMs: 2_000 }), 'reload');
});

test('meanwhile others are added, and the removal goes on waiting', () => {
  const { service, againMs } = plan({
    network: network([one, [3, entry(3)]]),
    files: files([one, two]),
    staleForMs: 0,
  });
  assert.deepEqual([service, againMs], [{ op: 'add', portIds: [id(3)] }, 30_000]);
});

test('whoever wants the address or MAC of a removed port does not wait', () => {
  for (const heir of [entry(3, '10.0.0.2'), entry(2, '10.0.0.8')])
    assert.equal(op({ network: network([one, [3, heir]]), files: files([one, two]) }), 'reload');
});

test('a changed address is a reload that gives up the old lease and only that', () => {
  const { service, releases } = plan({ network: network([[1, entry(1, '10.0.0.77')]]), files: files([one]) });
  assert.equal(service.op, 'reload');
  assert.deepEqual(releases, [{ mac: mac(1), ip: '10.0.0.1' }]);
});

test('a changed name gives up no lease', () => {
  const renamed = { ...entry(1), hosts: `${mac(1)},web.example,10.0.0.1\n` };
  const { service, releases } = plan({ network: network([[1, renamed]]), files: files([one]) });
  assert.deepEqual([service.op, releases], ['reload', []]);
});

test('what a crash may have left half done is done again', () => {
  const begun = plan({ files: files([], { reloading: [{ mac: mac(5), ip: '10.0.0.5' }] }) });
  assert.deepEqual([begun.service.op, begun.releases], ['reload', [{ mac: mac(5), ip: '10.0.0.5' }]]);
  assert.equal(op({ files: files([], { unconfirmed: true }) }), 'reload');
  assert.equal(op({ files: files([], { untidy: true }) }), 'reload');
  assert.equal(op({ files: files([], { options: null }) }), 'reload');
});

test('a dnsmasq that dies of reloads is restarted instead', () => {
  assert.equal(op({ files: files([], { untidy: true }), reloadable: false }), 'start');
});

test("restarts for ports' own options are spaced, and the ports say that they wait", () => {
  const tagged = [{ portId: id(1), tag: 'port-1', mac: mac(1) }];
  const input = {
    network: network([one], { tagged }),
    conf: `conf\ndhcp-mac=set:port-1,${mac(1)}`,
    files: files([one]),
    process: { pid: 7, configHash: 'other', stuck: null },
  };
  assert.equal(op({ ...input, startedForMs: null }), 'start');
  assert.equal(op({ ...input, startedForMs: 5_000 }), 'start');
  const waits = plan({ ...input, startedForMs: 1_000 });
  assert.deepEqual([waits.service.op, waits.againMs], ['none', 4_000]);
  assert.deepEqual(
    waits.shortfalls.map((s) => [s.object, s.state]),
    [[`port/${id(1)}`, 'waiting']],
  );
  assert.equal(op({ ...input, conf: 'another', startedForMs: 1_000 }), 'start');
});

const link = (fields: Partial<Link>): Link => ({
  ...{
    name: 'ns-d',
    kind: 'veth',
    up: true,
    mtu: 1450,
    mac: mac(9),
    master: null,
    addresses: ['10.0.0.2/24'],
  },
  ...fields,
});
const lo = link({ name: 'lo', kind: 'other', addresses: ['127.0.0.1/8'] });
const tap = link({ name: 'tapd', addresses: [], mac: '' });
const wired = { namespace: true, table: true, tap, inner: [lo, link({})] };

test('a wiring that is as it should be', () => {
  const found = planWiring(network([]), wired);
  assert.deepEqual(found, {
    makeNamespace: false,
    applyTable: false,
    hostSteps: [],
    innerSteps: [],
    fresh: false,
  });
});

test('everything is made where nothing is', () => {
  const found = planWiring(network([]), { namespace: false, table: false, tap: null, inner: [] });
  assert.deepEqual([found.makeNamespace, found.applyTable, found.fresh], [true, true, true]);
  assert.deepEqual(
    found.hostSteps.map((s) => s.op),
    ['add-veth', 'set-link'],
  );
  assert.deepEqual(
    found.innerSteps.map((s) => s.op),
    ['add-address', 'set-link', 'set-link'],
  );
});

test('half a pair is made anew; a drifted one is put right', () => {
  const half = planWiring(network([]), { ...wired, inner: [lo] });
  assert.deepEqual(
    half.hostSteps.map((s) => s.op),
    ['delete-link', 'add-veth', 'set-link'],
  );
  assert.equal(half.fresh, true);
  const drifted = planWiring(network([]), {
    ...wired,
    inner: [lo, link({ mtu: 1400, addresses: ['10.0.0.9/24'] })],
  });
  assert.deepEqual(
    drifted.innerSteps.map((s) => s.op),
    ['delete-address', 'add-address', 'set-link'],
  );
  assert.equal(drifted.fresh, false);
});

test("another DHCP port's link does not stay", () => {
  const found = planWiring(network([]), { ...wired, inner: [lo, link({}), link({ name: 'ns-old' })] });
  assert.deepEqual(found.innerSteps, [{ op: 'delete-link', name: 'ns-old' }]);
});
