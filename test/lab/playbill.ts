/** All stories, and how a few of them are told in one lab. */
import { callApi } from '../../src/cli/api-client.ts';
import { Lab } from '../../src/lab/lab.ts';
import { takeDown } from '../../src/lab/lifecycle.ts';
import { checkStateDirectory, defaultStateDirectory } from '../../src/lab/state.ts';
import { realClock } from '../../src/lib/clock.ts';
import { seededRandom } from '../../src/lib/random.ts';
import { FORGETFUL, serverOptions, Stage } from './stage.ts';
import { agentRestart } from './stories/agent-restart.ts';
import { checkScripts } from './stories/check-scripts.ts';
import { credentialRefused } from './stories/credential.ts';
import { dhcpLease } from './stories/dhcp-lease.ts';
import { dnsmasqDiesOnReload, dnsmasqKilled } from './stories/dnsmasq.ts';
import { fencing } from './stories/fencing.ts';
import { kill } from './stories/kill.ts';
import { lostNotification } from './stories/lost-notification.ts';
import { qosRouterStory, qosStory } from './stories/qos.ts';
import { restoreBackup } from './stories/restore-backup.ts';
import { routerHa, routerStory } from './stories/router.ts';
import { routerTakeover } from './stories/router-takeover.ts';
import { rollingRestart } from './stories/rolling-restart.ts';
import { securityGroups } from './stories/security-groups.ts';
import { twoServers } from './stories/two-servers.ts';
import type { Scene, Story } from './story.ts';

export const STORIES: readonly Story[] = [
  dhcpLease,
  dnsmasqKilled,
  dnsmasqDiesOnReload,
  agentRestart,
  securityGroups,
  lostNotification,
  credentialRefused,
  routerStory,
  routerHa,
  qosStory,
  qosRouterStory,
  checkScripts,
  kill,
  twoServers,
  rollingRestart,
  restoreBackup,
  routerTakeover,
  // last: of a host that died twice within ten minutes others would have to wait for what is new
  fencing,
];

export const stageName = (id: string) => ({
  id,
  stateDirectory: checkStateDirectory(defaultStateDirectory(id)),
});

/** A lab for stories of that size. */
export async function setStage(
  id: string,
  size: { hosts: number; servers: number },
  options: { apiPort?: number | null; report?: (text: string) => void } = {},
): Promise<Stage> {
  const lab = await Lab.up({
    clock: realClock,
    callApi: (url, method, path, body) => callApi({ url }, method, path, body),
    id,
    ...size,
    apiPort: options.apiPort ?? null,
    serverOptions: serverOptions(size.servers),
    agentOptions: FORGETFUL,
    ...(options.report ? { report: options.report } : {}),
  });
  return new Stage(lab);
}

export async function strikeStage(id: string): Promise<void> {
  await takeDown(realClock, stageName(id));
}

/** Tells one story; the timeline goes to `out` line by line. */
export async function tellStory(
  story: Story,
  stage: Stage,
  options: { form: Scene['form']; seed: number; out: (line: string) => void },
): Promise<void> {
  const began = realClock.now();
  const note = (text: string) => {
    options.out(`${((realClock.now() - began) / 1000).toFixed(2).padStart(7)} s  ${text}`);
  };
  await story.tell({ stage, note, form: options.form, random: seededRandom(options.seed) });
}
