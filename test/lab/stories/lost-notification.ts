import { realClock } from '../../../src/lib/clock.ts';
import { integerBetween } from '../../../src/lib/random.ts';
import { sleep } from '../../../src/lib/clock.ts';
import { PATIENCE_MS } from '../stage.ts';
import type { Story } from '../story.ts';

/** How soon what was committed must be served once the one who was away is back. */
const BOUND_MS = 1000;
/** On a busy machine the bound itself is for the benchmark; a story fails where it is missed by far. */
const LENIENT_MS = 5 * BOUND_MS;

const since = (began: number) => Math.round(realClock.now() - began);

/** R2, R6, R11, R12: the server dies with the commit made and nobody told; or the agent does not hear. */
export const lostNotification: Story = {
  name: 'lost-notification',
  summary: 'what was committed is served although server, agent or network died before the news was out',
  hosts: 3,
  servers: 1,
  async tell({ stage, note, form, random }) {
    const { lab } = stage;
    const network = await stage.network();
    const known = await stage.port(network, 'h1');
    await stage.untilServed(known);
    await stage.settle();

    for (let round = 1; round <= (form === 'long' ? 20 : 3); round++) {
      const port = await stage.port(network, 'h1');
      await lab.kill('ctl1', 'server');
      const mark = stage.servingHosts(port).length > 0 ? 'already out' : 'nobody told';
      await lab.waitForServer('ctl1', { timeoutMs: PATIENCE_MS });
      const back = realClock.now();
      await stage.untilServed(port, LENIENT_MS);
      note(`server killed after the commit (${mark}): served ${since(back)} ms after it answers again`);
    }

    for (const host of ['h1', 'h2', 'h3']) await lab.kill(host, 'agent');
    const missed = await stage.port(network, 'h1');
    for (const host of ['h1', 'h2', 'h3']) await lab.start(host);
    const started = realClock.now();
    await stage.untilServed(missed, LENIENT_MS);
    note(`agents were dead at the commit: served ${since(started)} ms after their start`);

    for (const host of ['h1', 'h2', 'h3']) lab.signal(host, 'agent', 'SIGSTOP');
    const unheard = await stage.port(network, 'h1');
    await lab.kill('ctl1', 'server');
    await lab.waitForServer('ctl1', { timeoutMs: PATIENCE_MS });
    for (const host of ['h1', 'h2', 'h3']) lab.signal(host, 'agent', 'SIGCONT');
    const resumed = realClock.now();
    await stage.untilServed(unheard, LENIENT_MS);
    note(`agents hung while the server died: served ${since(resumed)} ms after they go on`);

    for (const host of ['h1', 'h2', 'h3']) {
      await lab.cut({ node: host, segment: 'management', kind: 'silent', direction: 'in' });
    }
    const lost = await stage.port(network, 'h1');
    await sleep(realClock, integerBetween(random, 200, 800));
    await lab.heal();
    const healed = realClock.now();
    await stage.untilServed(lost, PATIENCE_MS);
    note(`the notification was lost in the network: served ${since(healed)} ms after it is healed`);
    await stage.settle();
  },
};
