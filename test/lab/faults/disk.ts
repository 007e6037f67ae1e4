/** The agent's file system is full: what it has must go on, what comes must come once there is room. */
import { agentState } from '../../../src/lab/services.ts';
import type { Port } from '../stage.ts';
import type { Fault, Trouble } from './fault.ts';
import { agentId } from './subject.ts';

const FILLER = 'filler';

const pathOnHost = ({ stage, subject, memory }: Trouble) =>
  `${agentState(stage.lab.node(memory.get('victim') ?? subject.server))}/${FILLER}`;

export const DISK_FAULTS: readonly Fault[] = [
  {
    name: 'disk-full',
    summary: 'the file system of the agent’s state is full, while ports come',
    lab: 'hosts',
    losesHost: false,
    mayMove: true,
    lasts: { short: 8, long: 30 },
    countedFrom: 'heal',
    mender: 'the agent tries again',
    explain: async (trouble) => [
      'agent',
      await agentId(trouble.stage, trouble.memory.get('victim')!, 'dhcp'),
    ],
    async cause(trouble) {
      const { stage, subject, note, memory } = trouble;
      memory.set('victim', subject.server);
      const fill =
        'dd if=/dev/zero of="$0" bs=64k 2> /dev/null; dd if=/dev/zero of="$0" bs=1 oflag=append conv=notrunc 2>&1';
      const { stdout } = await stage.lab.run(subject.server, ['sh', '-c', fill, pathOnHost(trouble)]);
      if (!/No space left/.test(stdout)) throw new Error(`the file system is not full: ${stdout}`);
      note(`the agent of ${subject.server} has no byte left`);
      const port = await stage.port(subject.network, undefined, { name: 'came-while-full' });
      memory.set('port', JSON.stringify(port));
    },
    async heal(trouble) {
      await trouble.stage.lab.run(trouble.memory.get('victim')!, ['rm', '-f', pathOnHost(trouble)]);
    },
    async isMended({ stage, memory }) {
      return stage.servingHosts(JSON.parse(memory.get('port')!) as Port).length > 0;
    },
  },
];
