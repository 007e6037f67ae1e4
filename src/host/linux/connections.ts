import { ipAddress, wholeNumber } from '../grammar.ts';
import type { ConnectionFilter } from '../host.ts';
import { complaint, type Spawner } from './spawner.ts';

const TIMEOUT_MS = 30_000;
/** By its exit code: what is missing. */
const LOOK = 'command -v conntrack >/dev/null || exit 3; [ -d /proc/sys/net/bridge ] || exit 4';

const FAULTS: ReadonlyMap<number, string> = new Map([
  [3, 'the program conntrack is not there (package conntrack)'],
  [4, 'the kernel does not have br_netfilter (modprobe br_netfilter)'],
]);

/** conntrack(8)'s words. */
function argumentsOf({ version, zone, source, destination, mark }: ConnectionFilter): string {
  const words = ['-f', version === 4 ? 'ipv4' : 'ipv6'];
  if (zone !== undefined) words.push('-w', String(wholeNumber(zone, 0, 65_535)));
  if (source !== undefined) words.push('-s', addressOrPrefix(source));
  if (destination !== undefined) words.push('-d', addressOrPrefix(destination));
  if (mark !== undefined)
    words.push('-m', [mark.value, mark.mask].map((part) => wholeNumber(part, 0, 0xffff_ffff)).join('/'));
  return words.join(' ');
}

function addressOrPrefix(text: string): string {
  const [address = '', length] = text.split('/');
  return length === undefined
    ? ipAddress(address)
    : `${ipAddress(address)}/${wholeNumber(Number(length), 0, 128)}`;
}

export function createConnections(spawner: Spawner) {
  return {
    async filteringFault(): Promise<string | null> {
      const { code } = await spawner.run(['sh', '-c', LOOK]);
      return code === 0 ? null : (FAULTS.get(code) ?? 'it cannot be found out what this host has');
    },

    async endConnections(filters: readonly ConnectionFilter[]): Promise<void> {
      if (filters.length === 0) return;
      // `conntrack` knows no batch of deletions, and says 1 where there was none to delete: xargs then says 123.
      const input = filters.map((filter) => `${argumentsOf(filter)}\n`).join('');
      const argv = ['xargs', '-r', '-L', '1', 'conntrack', '-D'];
      const finished = await spawner.run(argv, { input, timeoutMs: TIMEOUT_MS });
      const failed = finished.stderr.split('\n').find((line) => /failed|error|rror:/i.test(line));
      if ((finished.code !== 0 && finished.code !== 123) || failed !== undefined)
        throw new Error(`connections could not be ended: ${failed ?? complaint(finished)}`);
    },
  };
}
