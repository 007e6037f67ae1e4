/** R35: a host that two witnesses take for gone loses its power by its own BMC, and no other host does. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { enterNode } from '../../../src/lab/ground.ts';
import { hostsOf } from '../../../src/lab/layout.ts';
import { logOf } from '../../../src/lab/processes.ts';
import { configureServer } from '../../../src/lab/services.ts';
import { realClock } from '../../../src/lib/clock.ts';
import { shownActive } from '../ha/view.ts';
import { PowerDevice } from '../power-device.ts';
import { switchOff, switchOn } from '../power.ts';
import { answersOutside, externalNetwork, floatingIp, router } from '../routers.ts';
import { PATIENCE_MS, serverOptions, type Stage } from '../stage.ts';
import type { Scene, Story } from '../story.ts';

const SERVER = 'ctl1';
const FAST = { 'agent-down-seconds': '2', 'fence-after-seconds': '10', 'fence-window-seconds': '60' };

interface ShownEvent {
  readonly kind: string;
  readonly message: string;
  readonly data: { readonly step?: string; readonly refusal?: string };
}

async function serve({ lab }: Stage, options: Readonly<Record<string, string>>): Promise<void> {
  configureServer(lab.layout, lab.node(SERVER), { ...serverOptions(1), ...options });
  await lab.restart(SERVER);
  await lab.waitForServer(SERVER, { timeoutMs: PATIENCE_MS });
}

async function eventsOf({ lab }: Stage, host: string, more = ''): Promise<ShownEvent[]> {
  const { events } = await lab.api('GET', `/v2.0/deuteron/events?host=${host}&limit=500${more}`);
  return [...events].reverse();
}

const steps = async (stage: Stage, host: string): Promise<string[]> =>
  (await eventsOf(stage, host)).filter(({ kind }) => kind === 'fencing').map(({ data }) => data.step ?? '');

/** Only its agent is gone: the others reach it, so it is left alone, and that is told. */
async function leftAlone(stage: Stage, device: PowerDevice, host: string): Promise<void> {
  await stage.lab.kill(host, 'agent');
  await stage.until('it is refused, since others reach it', async () => {
    const open = await eventsOf(stage, host, '&open=true');
    return open.some(({ data }) => data.refusal === 'reached');
  });
  assert.deepEqual([device.power, device.done], [true, []]);
  await stage.lab.start(host);
  await stage.settle();
  await stage.until('nothing of that is open any more', async () =>
    (await eventsOf(stage, host, '&open=true')).every(({ data }) => data.refusal === undefined),
  );
}

async function tell({ stage, note }: Scene): Promise<void> {
  const { lab } = stage;
  const { ground, layout } = lab.place;
  const enter = enterNode(ground, layout, lab.node(SERVER));
  const device = new PowerDevice({ enter, stateDirectory: layout.stateDirectory });
  try {
    note(
      device.missing === null
        ? 'fence_ipmilan and a simulated BMC'
        : `a fence agent of our own, for ${device.missing} is not here`,
    );
    await device.start();
    const external = await externalNetwork(stage);
    const network = await stage.network();
    const routerId = await router(stage, external, [network], { ha: true });
    const [victim] = await stage.until('one replica is active', async () => {
      const active = await shownActive(lab, routerId);
      return active.length === 1 ? active : undefined;
    });
    assert.ok(victim);
    const other = hostsOf(lab.layout).find(({ name }) => name !== victim)?.name ?? '';
    const { port, machine } = await stage.machineThatAsks(network, other);
    const { address } = await floatingIp(stage, external, port.id);
    await stage.lease(machine);
    await stage.until('the floating IP answers', () => answersOutside(stage, address));
    await serve(stage, { ...FAST, 'fence-devices': device.fileFor(victim) });
    await stage.settle();

    note(`a router is active on ${victim}, which has a fence device`);
    await leftAlone(stage, device, victim);
    note(`${victim}: its agent was killed; the others reach it, and it is left alone`);

    const began = realClock.now();
    const since = () => `${((realClock.now() - began) / 1000).toFixed(1)} s`;
    const silent = { node: victim, kind: 'silent', direction: 'both' } as const;
    await lab.cut({ ...silent, segment: 'tunnel' }, { ...silent, segment: 'management' });
    await stage.until(`the BMC of ${victim} has taken its power`, () => !device.power);
    note(`${victim}: cut from servers and peers; its power is taken ${since()} later`);
    const ended = await switchOff(lab, victim);
    assert.ok(ended > 0, 'it was running until then');
    await stage.until('that is verified', async () => (await steps(stage, victim)).includes('off'));
    note(`${victim} is off, as its device says, ${since()} after the cut`);
    assert.deepEqual(await steps(stage, victim), ['begun', 'status', 'off-told', 'off']);
    assert.deepEqual(device.done, ['power 0']);
    await stage.until('the others serve', () => answersOutside(stage, address));

    await switchOn(lab, victim);
    device.power = true;
    await lab.start(victim);
    await stage.until('it is heard again', async () => (await steps(stage, victim)).at(-1) === 'over');
    await stage.settle();
    assert.deepEqual(device.done, ['power 0'], 'once');
    const said = JSON.stringify(await eventsOf(stage, victim));
    const log = readFileSync(logOf(lab.layout.stateDirectory, `${SERVER}.server`), 'utf8');
    assert.ok(!device.isIn(said + log), 'its password is in no event and in no log');
    note(`${victim} is back, and was fenced once`);
  } finally {
    await lab.heal();
    await serve(stage, {});
    await device.remove();
  }
}

export const fencing: Story = {
  name: 'fencing',
  summary:
    'a host that neither servers nor peers reach is switched off by its BMC, once; one that is reached is not',
  hosts: 3,
  servers: 1,
  tell,
};
