/**
 * Each dnsmasq takes one inotify instance, and the kernel gives an ordinary host 128 in all: raised here where that is
 * allowed, and never lowered. Where it is not, the networks beyond are served by reloads, and `configurations` says so.
 */
import type { Host } from '../../host/host.ts';

const WANTED: Readonly<Record<string, number>> = {
  max_user_instances: 16_384,
  max_user_watches: 524_288,
  max_queued_events: 65_536,
};

export class InotifyLimits {
  readonly #host: Host;
  #attempt: Promise<void> | null = null;
  #raised = false;

  constructor(host: Host) {
    this.#host = host;
  }

  /** Whether the limits are at least what we want. */
  get raised(): boolean {
    return this.#raised;
  }

  /** Once in a life. Never fails: a host that does not allow it is served as well as it goes. */
  raise(): Promise<void> {
    this.#attempt ??= this.#try();
    return this.#attempt;
  }

  async #try(): Promise<void> {
    const names = Object.keys(WANTED);
    const files = names.map((name) => `/proc/sys/fs/inotify/${name}`);
    try {
      const read = await this.#host.runProgram(null, ['cat', ...files]);
      const have = read.stdout.split('\n').map(Number);
      const low = names.filter((name, i) => !((have[i] ?? 0) >= (WANTED[name] ?? 0)));
      await this.#host.setSysctls(
        null,
        Object.fromEntries(low.map((name) => [`fs.inotify.${name}`, String(WANTED[name])])),
      );
      this.#raised = true;
    } catch {
      // EACCES or EROFS in a container: what the host has must do.
      this.#raised = false;
    }
  }
}
