import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Role } from '../resources/agent.ts';
import type { BindingFacts, DhcpFacts, HoldingFacts } from './dhcp-findings.ts';
import {
  explainAgent,
  explainNetwork,
  explainPort,
  type Explanation,
  type FleetFacts,
  type PortFacts,
} from './explain.ts';
import type { AgentFacts, Audience, EventFacts } from './findings.ts';
import type { AgentLag, OwedNow } from './lag.ts';
import type { Subject } from './narrow.ts';

const AT = '2026-01-31T12:00:05.250Z';
const admin: Audience = { isAdmin: true, events: [] };
const member: Audience = { isAdmin: false, events: [] };
const withEvents = (...events: Partial<EventFacts>[]): Audience => ({
  isAdmin: true,
  events: events.map((event) => ({
    ...{ id: 'e', at: AT, kind: 'remedy', host: '', role: '', object: '', message: '', data: {} },
    ...event,
  })),
});

const owed = (over: Partial<OwedNow> = {}): OwedNow => ({
  ...{
    key: 'network/n',
    object: 'port/p',
    kind: 'port',
    state: 'failed',
    since: 7,
    sinceAt: AT,
    ageMs: null,
  },
  ...{ reason: 'it said no', overdue: false },
  ...over,
});
function agent(
  host: string,
  role: Role,
  lag: Partial<AgentLag> = {},
  over: Partial<AgentFacts> = {},
): AgentFacts {
  return {
    ...{ id: `${host}-${role}`, host, role, liveness: 'alive', adminStateUp: true, heardAt: AT },
    lag: {
      ...{
        id: `${host}-${role}`,
        host,
        role,
        alive: true,
        heard: true,
        state: 'converged',
        realised: 9,
        reported: 9,
        lag: 0,
      },
      ...{ exceptions: [], exceptionCount: 0, owed: [], overdue: 0, reportedAt: AT },
      ...lag,
    },
    ...over,
  };
}
const away = (host: string, role: Role, over: Partial<AgentFacts> = {}) =>
  agent(host, role, { alive: false, heard: false }, over);
const bound = (one: AgentFacts, over: Partial<BindingFacts> = {}): BindingFacts => ({
  ...{ agent: one, leaving: false, position: 5 },
  ...over,
});
const dhcpOf = (bindings: readonly BindingFacts[], over: Partial<DhcpFacts> = {}): DhcpFacts => ({
  ...{ networkId: 'n', isWanted: true, bindings, wanted: 1, living: 1, fitting: 1 },
  ...{ physicalNetwork: null, zoneHints: [], full: [] },
  ...over,
});
const fleetOf = (agents: number, heard: number, hosts = 4): FleetFacts => ({
  ...{ agents, heard, hosts, takers: heard > 0 ? 1 : 0, silent: [] },
});
const subject = (over: Partial<Subject> = {}): Subject => ({
  ...{ kind: 'port', id: 'p', networkId: 'n', boundHost: 'h1' },
  hosts: { l2: new Set(['h1']), dhcp: new Set(['h2']), l3: new Set() },
  ...over,
});
const port = (over: Partial<PortFacts> = {}): PortFacts => ({
  ...{ subject: subject(), status: 'ACTIVE', adminStateUp: true, vifType: 'bridge', wantsDhcp: true },
  ...{ isHostKnown: true, l2: agent('h1', 'l2'), floods: [agent('h2', 'l2')], replicas: [] },
  dhcp: dhcpOf([bound(agent('h2', 'dhcp'))]),
  fleet: fleetOf(4, 4),
  ...over,
});
const network = (dhcp: DhcpFacts, audience: Audience = admin): Explanation =>
  explainNetwork(
    {
      subject: subject({ kind: 'network', id: 'n', boundHost: '' }),
      ...{ dhcp, l2: [], l3: [], homeless: [], unlooked: 0, fleet: fleetOf(4, 4) },
    },
    audience,
  );
const codes = (explanation: Explanation): string[] => explanation.findings.map((one) => one.code);

test('what is well is said to be, with where and by whom', () => {
  const { state, summary } = explainPort(port(), admin);
  assert.deepEqual(
    [state, summary],
    ['converged', 'Port p is as it should be: ACTIVE, wired on h1, its DHCP served by h2.'],
  );
  assert.equal(
    explainPort(port(), member).summary,
    'Port p is as it should be: ACTIVE, wired on its host, its DHCP served by 1 agent.',
  );
});

test('a port that is bound to no host', () => {
  const { state, summary } = explainPort(
    port({ subject: subject({ boundHost: '' }), status: 'DOWN', vifType: 'unbound', l2: undefined }),
    admin,
  );
  assert.equal(state, 'waiting');
  assert.equal(
    summary,
    'Port p is bound to no host. Nobody has asked for it to be anywhere (binding:host_id is empty).',
  );
});

test('a port on a host without an agent, or that nobody knows', () => {
  const failed = { status: 'DOWN', vifType: 'binding_failed', l2: undefined };
  assert.equal(
    explainPort(port(failed), admin).summary,
    "Port p could not be bound to h1: its agent has never come. It is bound as soon as the host's agent comes.",
  );
  assert.match(explainPort(port({ ...failed, isHostKnown: false }), admin).summary, /no such host is known/);
  const off = agent('h1', 'l2', {}, { adminStateUp: false });
  assert.match(explainPort(port({ ...failed, l2: off }), admin).summary, /the L2 agent is switched off/);
});

test("the agent of the port's host is dead, or away", () => {
  const died = withEvents({ kind: 'agent-died', host: 'h1', message: 'h1 died' });
  const dead = explainPort(port({ l2: away('h1', 'l2', { liveness: 'dead' }) }), died);
  assert.equal(
    dead.summary,
    'The L2 agent of h1 is taken for dead (2026-01-31T12:00:05Z), not heard since 2026-01-31T12:00:05Z. ' +
      'What runs on the host runs on. Once it is back it gets what it misses.',
  );
  assert.deepEqual(codes(explainPort(port({ l2: away('h1', 'l2') }), admin)), ['agent-away']);
});

test('a link that is not plugged', () => {
  const l2 = agent('h1', 'l2', { owed: [owed({ state: 'waiting', reason: 'link tapp is not there' })] });
  const { state, summary } = explainPort(port({ l2, status: 'DOWN' }), admin);
  assert.equal(state, 'waiting');
  assert.equal(
    summary,
    'The link of port p is not on h1 since 2026-01-31T12:00:05Z: link tapp is not there. ' +
      'Somebody has to plug it in there (the hypervisor, or `deuteron port plug`).',
  );
});

test('a security group of the port that is not in force on its host; elsewhere it is no matter of the port', () => {
  const failing = (key: string) =>
    owed({ key, object: '', kind: 'security-group', reason: 'nft: out of memory' });
  const firewall = new Set(['security-group/g', 'members/r']);
  const explain = (host: string, key: string, audience = admin) =>
    explainPort(
      port({
        subject: subject({ firewall }),
        ...(host === 'h1'
          ? { l2: agent('h1', 'l2', { state: 'failing', owed: [failing(key)] }) }
          : { floods: [agent(host, 'l2', { state: 'failing', owed: [failing(key)] })] }),
      }),
      audience,
    );
  assert.match(
    explain('h1', 'security-group/g').summary,
    /^Security group g is not in force on h1 since .*: nft: out of memory\. The agent tries again\.$/,
  );
  assert.match(
    explain('h1', 'members/r', member).summary,
    /^The membership of security group r is not in force on its host/,
  );
  assert.equal(explain('h1', 'security-group/other').state, 'converged');
  assert.equal(explain('h2', 'security-group/g').state, 'converged');
});

test('dnsmasq refuses, and what was done about it', () => {
  const dhcp = dhcpOf([bound(agent('h2', 'dhcp', { owed: [owed({ reason: 'dnsmasq: bad option' })] }))]);
  const done = withEvents(
    { host: 'h9', object: 'network/n', message: 'elsewhere.' },
    { host: 'h2', object: 'network/n', message: 'the key is done anew.' },
  );
  const { state, summary } = explainPort(port({ dhcp }), done);
  assert.equal(state, 'failing');
  assert.equal(
    summary,
    'DHCP on h2 fails for port p since 2026-01-31T12:00:05Z: dnsmasq: bad option. ' +
      'Last done, at 2026-01-31T12:00:05Z: the key is done anew.',
  );
  const own = explainPort(port({ dhcp }), member);
  assert.doesNotMatch(JSON.stringify(own), /h1|h2|dnsmasq|bad option/);
  assert.match(own.summary, /DHCP on a host that serves its DHCP fails for port p/);
});

test('the DHCP of a network is served by no living agent', () => {
  const none = network(dhcpOf([], { living: 0, fitting: 0 }));
  assert.equal(
    none.summary,
    'No agent has the DHCP of network n: there is no living DHCP agent that takes networks. ' +
      'It is given to the first that comes; its clients keep their leases until they run out.',
  );
  const alert = withEvents({ kind: 'alert', object: 'network/n', data: { alert: 'network-unserved' } });
  const dead = network(dhcpOf([bound(away('h2', 'dhcp', { liveness: 'dead' }))]), alert);
  assert.deepEqual([dead.state, codes(dead)], ['failing', ['dhcp-unserved', 'agent-dead']]);
  assert.match(
    dead.summary,
    /is connected \(h2\) since 2026-01-31T12:00:05Z: 1 living DHCP agent could take it/,
  );
});

test('one of several servers is away: no outage', () => {
  const dhcp = dhcpOf([bound(agent('h2', 'dhcp')), bound(away('h3', 'dhcp'))]);
  assert.deepEqual([network(dhcp).state, codes(network(dhcp))], ['pending', ['agent-away']]);
});

test('a move under way', () => {
  const begun = withEvents({ kind: 'move-begun', host: 'h2', data: { networks: ['n'] }, message: 'moves' });
  const moving = dhcpOf([
    bound(agent('h2', 'dhcp'), { leaving: true }),
    bound(agent('h3', 'dhcp'), { position: 12 }),
  ]);
  const { state, summary } = network(moving, begun);
  assert.equal(state, 'pending');
  assert.equal(
    summary,
    'The DHCP of network n moves from h2 to h3 since 2026-01-31T12:00:05Z. ' +
      'The old one serves on until a new one does. The new one has not reported it as served yet.',
  );
});

test('an agent that is behind, and one that has said nothing yet', () => {
  const late = owed({ state: 'pending', reason: 'not reported back yet', overdue: true });
  const lagging = agent('h1', 'l2', { state: 'pending', lag: 12, owed: [late], overdue: 1 });
  const fleet = fleetOf(4, 4);
  const behind = explainAgent({ name: 'h1', agents: [lagging], holdings: [], fleet }, admin);
  assert.deepEqual(codes(behind), ['agent-lagging', 'overdue']);
  assert.match(behind.summary, /is behind: 12 positions of the log are not realised there/);
  const fresh = agent('h1', 'l2', { state: 'unknown', realised: null, lag: null });
  assert.deepEqual(codes(explainAgent({ name: 'h1', agents: [fresh], holdings: [], fleet }, admin)), [
    'agent-unknown',
  ]);
});

test('an agent that is away: how much waits for it, not each of it', () => {
  const gone = agent('h1', 'l2', { heard: false, state: 'pending', owed: [owed({ state: 'pending' })] });
  const told = explainAgent({ name: 'h1', agents: [gone], holdings: [], fleet: fleetOf(4, 3) }, admin);
  assert.deepEqual(codes(told), ['agent-away']);
  assert.match(told.summary, /Once it is back it gets what it missed \(1 so far\)\.$/);
});

test('the whole fleet is silent', () => {
  const l2 = away('h1', 'l2');
  const dhcp = dhcpOf([bound(away('h2', 'dhcp'))], { living: 0, fitting: 0 });
  const all = explainPort(port({ l2, dhcp, fleet: fleetOf(4, 0) }), admin);
  assert.equal(codes(all)[0], 'fleet-silent');
  const mass = { ...fleetOf(4, 2), silent: [{ area: 'zone/z1', since: AT }] };
  const some = explainPort(port({ l2, fleet: mass }), admin);
  assert.equal(codes(some)[0], 'mass-silence');
  assert.match(
    some.summary,
    /^Much of zone z1 is silent at once \(2 of the fleet's 4 agents are connected\)/,
  );
  assert.match(
    explainPort(port({ l2, fleet: mass }), member).summary,
    /^Much of a zone is silent at once since/,
  );
  assert.deepEqual(codes(explainPort(port({ l2, fleet: fleetOf(4, 2) }), admin)), ['agent-away']);
});

const off = (host: string) => agent(host, 'dhcp', {}, { adminStateUp: false });
const findingOf = (explanation: Explanation, code: string): string =>
  explanation.findings.find((one) => one.code === code)?.sentence ?? '';

test('a network that cannot leave an agent that is switched off says why', () => {
  const stays = (over: Partial<DhcpFacts>, audience = admin) =>
    findingOf(network(dhcpOf([bound(off('h1'))], over), audience), 'dhcp-stays');
  const what = 'The DHCP of network n stays on h1, and no other agent can take it: ';
  assert.equal(
    stays({ full: ['10.5.0.0/30'] }),
    `${what}no address is left in 10.5.0.0/30 for the DHCP port of another agent.`,
  );
  assert.equal(
    stays({ living: 0, fitting: 0 }),
    `${what}there is no other living DHCP agent that takes networks.`,
  );
  const needs = { physicalNetwork: 'phys9', zoneHints: ['zz'] };
  assert.equal(
    stays({ living: 3, fitting: 0, ...needs }),
    `${what}none of the 3 other living DHCP agents fits: it has to reach physical network phys9 and be in zone zz.`,
  );
  assert.equal(
    stays({ living: 3, fitting: 0, ...needs }, member),
    'The DHCP of network n stays on the host, and no other agent can take it.',
  );
  assert.equal(stays({}), '', 'it is given to another');
  const two = dhcpOf([bound(off('h1')), bound(agent('h2', 'dhcp'))], { full: ['10.5.0.0/30'] });
  assert.equal(findingOf(network(two), 'dhcp-stays'), '', 'the other serves it alone');
});

test('an agent that is to be emptied names what it still serves, until it may be stopped', () => {
  const h1 = off('h1');
  const told = (holding: Partial<HoldingFacts>) =>
    explainAgent(
      {
        ...{ name: 'h1/dhcp', agents: [h1], fleet: fleetOf(4, 4) },
        holdings: [{ agent: h1, count: 0, networks: [], ...holding }],
      },
      admin,
    );
  assert.equal(findingOf(told({}), 'agent-empty'), 'The DHCP agent of h1 serves nothing: it may be stopped.');
  const networks = [
    dhcpOf([bound(h1, { leaving: true }), bound(agent('h2', 'dhcp'))], { networkId: 'a' }),
    dhcpOf([bound(h1)], { networkId: 'b', full: ['10.5.0.0/30'] }),
    dhcpOf([bound(h1)], { networkId: 'c' }),
    dhcpOf([bound(h1)], { networkId: 'd', full: ['10.5.0.0/30'] }),
  ];
  const some = told({ count: 5, networks });
  assert.deepEqual(codes(some), ['agent-serves', 'dhcp-stays', 'agent-off']);
  assert.equal(
    findingOf(some, 'agent-serves'),
    'The DHCP agent of h1 still serves 5 networks (a, b, c and 2 more). ' +
      'To leave as soon as others serve: 1 network (a). They are given to others as far as there is room.',
  );
  assert.match(
    findingOf(some, 'dhcp-stays'),
    /^2 networks \(b, d\) cannot leave the DHCP agent of h1: no address is left in 10\.5/,
  );
});

test('what is lost and switched off as well is unserved, as the alert says; nothing stays there', () => {
  for (const liveness of ['alive', 'dead'] as const) {
    const lost = away('h1', 'dhcp', { liveness, adminStateUp: false });
    const dhcp = dhcpOf([bound(lost)], { living: 0, fitting: 0 });
    const told = network(dhcp);
    assert.deepEqual([told.state, codes(told)[0]], ['failing', 'dhcp-unserved']);
    assert.equal(findingOf(told, 'dhcp-stays'), '');
    const holdings = [{ agent: lost, count: 1, networks: [dhcp] }];
    const host = explainAgent({ name: 'h1', agents: [lost], holdings, fleet: fleetOf(4, 3) }, admin);
    assert.equal(
      findingOf(host, 'dhcp-unserved'),
      'No server hears any agent that has the DHCP of 1 network (n). ' +
        'Their clients keep their leases until they run out.',
    );
    assert.equal(findingOf(host, 'dhcp-stays'), '');
  }
});

test('an agent that is held down keeps its networks', () => {
  const held = agent('h1', 'dhcp', {}, { liveness: 'held' });
  const holdings = [{ agent: held, count: 1, networks: [dhcpOf([bound(held)])] }];
  const told = explainAgent({ name: 'h1', agents: [held], holdings, fleet: fleetOf(4, 4) }, admin);
  assert.equal(
    findingOf(told, 'agent-serves'),
    'The DHCP agent of h1 still serves 1 network (n). They stay there.',
  );
});

test('living agents that do not fit the network are not promised to it', () => {
  const none = network(dhcpOf([], { living: 2, fitting: 0, zoneHints: ['zz'] }));
  assert.equal(
    none.summary,
    'No agent has the DHCP of network n: none of the 2 living DHCP agents fits: it has to be in zone zz. ' +
      'It is given to the first that comes and fits; its clients keep their leases until they run out.',
  );
  const silent = network(dhcpOf([bound(away('h2', 'dhcp'))]));
  assert.match(silent.summary, /Once its agent is taken for dead, the servers give it to another\. \(/);
});

test('a binding that is to leave, with nobody there to take over', () => {
  const leaving = bound(agent('h1', 'dhcp'), { leaving: true });
  assert.equal(
    network(dhcpOf([leaving], { fitting: 0 })).summary,
    'The DHCP of network n is to leave h1, and no other agent has it. The old one serves on until a new one does. ' +
      'There is no other that can take it: it does not go before there is.',
  );
  const done = network(dhcpOf([leaving, bound(agent('h2', 'dhcp'))]));
  assert.match(done.summary, /moves from h1 to h2\. The new one serves; the old one goes now\.$/);
});

test('what is being done is of this matter: not older, not of another, not over', () => {
  const dhcp = dhcpOf([bound(agent('h2', 'dhcp', { owed: [owed()] }))]);
  const said = (...events: Partial<EventFacts>[]) =>
    explainPort(port({ dhcp }), withEvents(...events)).summary;
  const of = { host: 'h2', role: 'dhcp', object: 'network/n', message: 'so.' } as const;
  const before = '2026-01-31T12:00:04.000Z';
  assert.match(said(of), /Last done, at \S+: so\./);
  assert.match(said({ ...of, kind: 'alert' }), /Last done/);
  for (const other of [
    { ...of, at: before },
    { ...of, role: 'l2' },
    { ...of, kind: 'alert-ended' as const },
    { ...of, host: '', kind: 'alert' as const, data: { alert: 'network-unserved' } },
  ])
    assert.match(said(other), /The agent tries again\./, JSON.stringify(other));
  const over = { ...of, id: 'end', kind: 'alert-ended', data: { ends: 'begin' } } as const;
  assert.match(said(over, { ...of, id: 'begin', kind: 'alert' }), /The agent tries again\./);
});

test('all are away: nobody is promised to take anything over, and a small fleet may be at fault', () => {
  const dead = away('h2', 'dhcp', { liveness: 'dead' });
  const dhcp = dhcpOf([bound(dead)], { living: 0, fitting: 0 });
  const all = (fleet: FleetFacts, audience: Audience) => explainPort(port({ dhcp, fleet }), audience);
  const told = JSON.stringify(all(fleetOf(4, 0), admin));
  assert.match(told, /there is nobody to move it to/);
  assert.doesNotMatch(told, /given to living agents/);
  assert.match(findingOf(all(fleetOf(2, 0, 1), admin), 'fleet-silent'), /Look at its hosts/);
  assert.doesNotMatch(findingOf(all(fleetOf(2, 0, 1), admin), 'fleet-silent'), /hardly theirs/);
});

test('members are told no numbers of the fleet', () => {
  const l2 = agent('h1', 'l2', {
    ...{ state: 'pending', lag: 12, overdue: 1 },
    owed: [owed({ state: 'pending', overdue: true })],
  });
  const away2 = away('h2', 'dhcp', { liveness: 'dead' });
  const dhcp = dhcpOf([bound(away2)], { living: 7, fitting: 7 });
  const told = [fleetOf(44, 0), fleetOf(44, 9)].map((fleet) =>
    explainPort(port({ l2, dhcp, fleet }), member),
  );
  assert.equal(
    findingOf(told[0]!, 'fleet-silent'),
    'No agent is connected to any server. What runs on the hosts runs on.',
  );
  assert.doesNotMatch(
    told.map((one) => one.findings.map(({ sentence }) => sentence)).join(),
    /44|\b9|\b7|\b12 /,
  );
});

test('of a network on too many hosts it is not said that all have realised it', () => {
  const facts = {
    subject: subject({ kind: 'network', id: 'n', boundHost: '' }),
    ...{ dhcp: dhcpOf([bound(agent('h2', 'dhcp'))]), l2: [], l3: [], homeless: [], unlooked: 30 },
    fleet: fleetOf(4, 4),
  };
  assert.match(
    explainNetwork(facts, admin).summary,
    /each of its hosts that was looked at has realised it\. 30 more were not looked at\.$/,
  );
});
