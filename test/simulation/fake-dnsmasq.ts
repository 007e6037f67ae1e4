/**
 * What of dnsmasq 2.90 an agent can tell: which files it read and when, what it has in memory from them, what it writes
 * to its log. It answers no client; `leases` is what it would answer with.
 *
 * - A start and a SIGHUP read everything anew; a file that appears in a watched directory is read by itself; one that goes
 *   away stays in memory until the next SIGHUP.
 * - A host line whose address another line has already is refused, with a line in the log.
 * - Of several files of options it reads the last one first.
 */

import type { FakeProgram, FakeSignal } from '../../src/host/fake/fake-host.ts';

/** The host's files, by absolute path. */
export interface Files {
  read(path: string): string | null;
  list(directory: string): string[];
  append(path: string, text: string): void;
  write(path: string, text: string): void;
}

export interface FakeDnsmasqOptions {
  readonly files: Files;
  readonly confPath: string;
  readonly pid: number;
  /** Does it a little later, one thing after the other. */
  readonly later: (label: string, act: () => void) => void;
  /** What it would lease is another now. */
  readonly onChange: () => void;
}

interface HostLine {
  readonly path: string;
  readonly mac: string;
  readonly ip: string;
}

const STAMP = 'Jan  1 00:00:00';

export class FakeDnsmasq implements FakeProgram {
  readonly #files: Files;
  readonly #options = new Map<string, string[]>();
  readonly #given: FakeDnsmasqOptions;
  #lines: readonly HostLine[] = [];
  #leases: readonly string[] = [];
  #leasesOf: readonly HostLine[] | undefined;
  #hasEnded = false;

  constructor(given: FakeDnsmasqOptions) {
    this.#given = given;
    this.#files = given.files;
    for (const line of (given.files.read(given.confPath) ?? '').split('\n')) {
      const [name = '', value = ''] = line.split(/=(.*)/s);
      this.#options.set(name, [...(this.#options.get(name) ?? []), value]);
    }
    this.#soon('reads everything', () => this.#reload());
  }

  /** What it would lease: `mac ip`, sorted. */
  leases(): readonly string[] {
    if (this.#leasesOf !== this.#lines) {
      this.#leasesOf = this.#lines;
      this.#leases = this.#lines.map((line) => `${line.mac} ${line.ip}`).sort();
    }
    return this.#leases;
  }

  /** The small files of hosts that it has read, or would. */
  hostFiles(): string[] {
    return this.#inDirectories('dhcp-hostsdir');
  }

  signalled(signal: FakeSignal): 'ends' | 'stays' {
    if (signal === 'HUP') this.#soon('reloads', () => this.#reload());
    this.#hasEnded ||= signal === 'TERM';
    return signal === 'TERM' ? 'ends' : 'stays';
  }

  /** A file was written, or renamed into place, or removed. */
  fileChanged(path: string): void {
    const directory = path.slice(0, path.lastIndexOf('/'));
    if (path.slice(directory.length + 1).startsWith('.')) return;
    const isHosts = this.#option('dhcp-hostsdir').includes(directory);
    if (!isHosts && !this.#option('hostsdir').includes(directory)) return;
    this.#soon(`reads ${path}`, () => {
      if (this.#files.read(path) === null) return;
      if (isHosts) this.#readHosts(path);
      else this.#log(`read ${path} - 1 names`);
    });
  }

  /** DHCPRELEASE. */
  release(ip: string): void {
    const [path] = this.#option('dhcp-leasefile');
    if (path === undefined) return;
    const lines = (this.#files.read(path) ?? '').split('\n').filter((line) => line.split(' ')[2] !== ip);
    this.#files.write(path, lines.join('\n'));
  }

  #soon(what: string, act: () => void): void {
    this.#given.later(what, () => {
      if (this.#hasEnded) return;
      act();
      this.#given.onChange();
    });
  }

  #reload(): void {
    this.#lines = [];
    for (const path of this.#option('addn-hosts')) this.#log(`read ${path} - 0 names`);
    for (const path of this.#inDirectories('hostsdir')) this.#log(`read ${path} - 1 names`);
    for (const path of this.#option('dhcp-hostsfile')) this.#readHosts(path);
    for (const path of this.#option('dhcp-optsfile').toReversed()) this.#log(`read ${path}`, 'dnsmasq-dhcp');
    for (const path of this.#inDirectories('dhcp-hostsdir')) this.#readHosts(path);
  }

  #option(name: string): readonly string[] {
    return this.#options.get(name) ?? [];
  }

  #inDirectories(option: string): string[] {
    return this.#option(option).flatMap((directory) =>
      this.#files
        .list(directory)
        .filter((name) => !name.startsWith('.'))
        .sort()
        .map((name) => `${directory}/${name}`),
    );
  }

  #readHosts(path: string): void {
    const text = this.#files.read(path);
    if (text === null) {
      this.#log(`cannot read ${path}: No such file or directory`, 'dnsmasq-dhcp');
      return;
    }
    this.#log(`read ${path}`, 'dnsmasq-dhcp');
    this.#lines = this.#lines.filter((line) => line.path !== path);
    text.split('\n').forEach((line, index) => {
      if (line === '' || line.startsWith('#')) return;
      const words = line.split(',').map((word) => word.replace(/^\[(.*)\]$/, '$1'));
      const mac = words[0] ?? '';
      const ip = words.at(-1) ?? '';
      if (this.#lines.some((other) => other.ip === ip)) {
        this.#log(`duplicate dhcp-host IP address ${ip} at line ${index + 1} of ${path}`, 'dnsmasq-dhcp');
        return;
      }
      this.#lines = [...this.#lines, { path, mac, ip }];
    });
  }

  #log(text: string, who = 'dnsmasq'): void {
    const [path] = this.#option('log-facility');
    if (path !== undefined) this.#files.append(path, `${STAMP} ${who}[${this.#given.pid}]: ${text}\n`);
  }
}
