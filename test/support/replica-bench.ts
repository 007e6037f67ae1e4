/** A replica of an HA router, on a host whose keepalived is played by the test. */
import assert from 'node:assert/strict';
import type { HealthSource } from '../../src/agents/l3/health.ts';
import { createL3Agent } from '../../src/agents/l3/reconciler.ts';
import type { RoleAgent } from '../../src/agents/role.ts';
import { FakeHost } from '../../src/host/fake/fake-host.ts';
import { ManualClock } from '../../src/lib/manual-clock.ts';
import type { ReplicaReport } from '../../src/resources/replica-report.ts';
import type { ReplicaOrder } from '../../src/resources/router.ts';
import { id, TestWorld } from './network-objects.ts';
import { subnetOf, TestRouter } from './router-objects.ts';

const NEVER = new AbortController().signal;
export const QR = 'qr-00000aa1-00';
export const QG = 'qg-00000ee1-00';
export const HA = 'ha-00000cc1-00';
/** Ends on the host: towards the other replicas, inside, outside. */
export const TAPS = ['tap00000cc1-00', 'tap00000aa1-00', 'tap00000ee1-00'] as const;
export const OWN = '169.254.0.7/24';
export const VIPS = { [QR]: ['10.0.1.1/24'], [QG]: ['203.0.113.5/24', '203.0.113.8/32'] };

export class ReplicaBench {
  readonly clock = new ManualClock();
  readonly host: FakeHost;
  readonly world = new TestWorld('h1');
  readonly router: TestRouter;
  readonly signals: string[] = [];
  agent: RoleAgent;
  incarnation = 1;
  /** Whose adverts came lately. */
  heard = '';
  /** Times that keepalived was killed. */
  kills = 0;
  /** Times that connections were taken over from another. */
  takeovers = 0;
  reports = 0;
  isHeld = false;
  isOtherGone = false;
  /** It leaves the addresses to another, of its own accord. */
  isAway = false;
  /** It may be that nobody hears it. */
  isHeldBack = false;
  #penalty = 0;
  readonly #health: HealthSource = {
    current: () => ({
      ...{ penalty: this.#penalty, reasons: [], checks: [], peers: [] },
      ...(this.isOtherGone ? { isOtherGone: true } : {}),
      ...(this.isAway ? { isAway: true } : {}),
      ...(this.isHeldBack ? { isHeldBack: true } : {}),
      paths: { tunnel: 'unknown', management: 'unknown' },
    }),
    ...{ onChange: () => undefined, tellRole: () => undefined, onHostEvent: () => undefined },
    onWords: () => undefined,
    tellHeld: (_, isHeld) => {
      this.isHeld = isHeld;
    },
    run: async () => undefined,
  };

  constructor() {
    this.host = new FakeHost({
      run: (_, argv) => {
        if (argv.at(-1) === '-R') this.takeovers++;
        if (argv.at(-1)?.endsWith('vrrp.pid')) this.kills++;
        return argv[0] === 'nft' ? { code: 0, stdout: `set heard { ${this.heard} }`, stderr: '' } : undefined;
      },
      program: () => ({
        signalled: (signal) => {
          this.signals.push(signal);
          return signal === 'HUP' ? 'stays' : 'ends';
        },
      }),
    });
    this.router = new TestRouter(this.world, 1);
    this.router.set({ ha: true, ha_vr_id: 7 });
    this.router.replica('h1', 1);
    this.router.replica('h2', 0);
    this.router.attach(0xaa1, id(0xa), subnetOf('10.0.1.0/24', '10.0.1.1'));
    const outside = subnetOf('203.0.113.0/24', '203.0.113.1');
    this.router.attach(0xee1, id(0xe), outside, { owner: 'network:router_gateway', ip: '203.0.113.5' });
    const own = { owner: 'network:router_ha_interface', host: 'h1', ip: '169.254.192.7' } as const;
    this.router.attach(0xcc1, id(0xc), subnetOf('169.254.192.0/18', null), own);
    this.router.float(1, '203.0.113.8', '10.0.1.6');
    this.agent = this.live();
    void this.host.follow((event) => this.agent.keysOfHostEvent(event), NEVER);
  }

  live(): RoleAgent {
    const agent = createL3Agent({
      host: this.host,
      world: this.world,
      clock: this.clock,
      health: this.#health,
    });
    const tools = {
      mark: () => undefined,
      report: () => void this.reports++,
      incarnation: () => this.incarnation,
    };
    void agent.run?.(tools, NEVER);
    return agent;
  }

  async converge(): Promise<string[]> {
    const { shortfalls } = await this.agent.reconcile(this.router.key, NEVER);
    return shortfalls.map(({ object, state, reason }) => `${object} ${state}: ${reason}`);
  }

  /** One that is active, and at rest. */
  static async active(): Promise<ReplicaBench> {
    const bench = new ReplicaBench();
    await bench.begin();
    bench.turn('add-address');
    await bench.settle();
    return bench;
  }

  /** From now on the disk has no room for files of that name. */
  cannotWrite(name: string): void {
    const { writeFile } = this.host;
    this.host.writeFile = async (path, text) => {
      if (path.endsWith(name)) throw new Error('no space left on device');
      return writeFile.call(this.host, path, text);
    };
  }

  /** Its turn has come, and its link leads to the others. */
  async begin(): Promise<void> {
    await this.converge();
    this.wire(...TAPS);
    await this.settle();
  }

  /** These ends of links lead somewhere. */
  wire(...taps: readonly string[]): void {
    this.host.meddle(null, { op: 'add-bridge', name: 'brq1', mtu: 1450 });
    for (const name of taps) this.host.meddle(null, { op: 'set-link', name, master: 'brq1' });
  }

  unwire(name: string): void {
    this.host.meddle(null, { op: 'set-link', name, master: null });
  }

  async settle(): Promise<void> {
    await this.converge();
    this.clock.advance(1_000);
    await this.converge();
    this.clock.advance(1_000);
    assert.deepEqual(await this.converge(), []);
  }

  /** What keepalived does. */
  turn(op: 'add-address' | 'delete-address'): void {
    this.host.meddle(this.router.namespace, { op, link: HA, address: OWN });
    for (const [link, addresses] of Object.entries(VIPS))
      for (const address of addresses) this.host.meddle(this.router.namespace, { op, link, address });
  }

  async held(): Promise<Record<string, string[]>> {
    const links = (await this.host.linksIn([this.router.namespace])).get(this.router.namespace) ?? [];
    const served = links.filter(({ name }) => name === QR || name === QG);
    return Object.fromEntries(served.map(({ name, addresses }) => [name, [...addresses].sort()]));
  }

  /** But for conntrackd. */
  async programs(): Promise<string[]> {
    return (await this.host.processes()).filter((name) => !name.startsWith('conntrackd-'));
  }

  file(name: string): Promise<string | null> {
    return this.host.readFile(`l3/${this.router.id}/${name}`);
  }

  role(): Pick<ReplicaReport, 'state' | 'seq' | 'order'> | undefined {
    const [report] = this.agent.roles?.() ?? [];
    return report && { state: report.state, seq: report.seq, order: report.order };
  }

  /** What ails it, as the watch over the host's health says. */
  ails(penalty: number): void {
    this.#penalty = penalty;
  }

  order(fields: Partial<ReplicaOrder> | null): void {
    const seq = this.role()?.seq ?? 0;
    const first = { epoch: 1, do: 'yield', incarnation: this.incarnation, seq, why: '' } as const;
    const order = fields && { ...first, ...fields };
    const body = { host: 'h1', rank: 1, tunnel_ip: '', management_ip: '', order };
    this.world.put(this.router.key, 'replica/h1', body);
  }
}
