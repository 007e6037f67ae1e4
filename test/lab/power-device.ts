/**
 * What a host's power hangs on in tests: OpenIPMI's simulated BMC, on the loopback of whoever asks it, asked by the real
 * `fence_ipmilan`. Where these are not installed, a double: a fence agent of our own that speaks the same protocol.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { end, launch, type ProcessRecord } from '../../src/lab/processes.ts';
import { runProgram } from '../../src/lab/program.ts';
import { until } from '../../src/lab/until.ts';
import { realClock } from '../../src/lib/clock.ts';

const FENCE_IPMILAN = '/usr/sbin/fence_ipmilan';
const NEEDED = [FENCE_IPMILAN, '/usr/bin/ipmi_sim', '/usr/bin/ipmitool'];
const ADDRESS = '127.0.0.1';
const [USER, PASSWORD] = ['fencer', 'nobody-sees-this'];

/** What ipmi_sim calls for the power (`chassis_control` of its configuration): device, get or set, and names with values. */
const CHASSIS = (at: string) => `#!/bin/sh
case "$2 $3" in
  "get power") if [ -e ${at}/on ]; then echo power:1; else echo power:0; fi ;;
  "set power") echo "power $4" >> ${at}/done; if [ "$4" = 1 ]; then : > ${at}/on; else rm -f ${at}/on; fi ;;
  *) exit 1 ;;
esac
`;

const DOUBLE = (at: string) => `#!/bin/sh
while IFS='=' read -r key value; do [ "$key" = action ] && action=$value; done
case $action in
  status) if [ -e ${at}/on ]; then echo "Status: ON"; else echo "Status: OFF"; exit 2; fi ;;
  off) echo "power 0" >> ${at}/done; rm -f ${at}/on; echo "Success: Powered OFF" ;;
  *) exit 1 ;;
esac
`;

const LAN = (at: string, port: number) => `name "host"
set_working_mc 0x20
  startlan 1
    addr ${ADDRESS} ${port}
    priv_limit admin
    allowed_auths_admin none md5
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${at}/chassis 0x20"
  user 2 true "${USER}" "${PASSWORD}" admin 10 none md5
`;

const EMULATION = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
mc_enable 0x20
`;

/** The first program of those that the real thing needs, and that is not here; null: all are. */
export const missingForFencing = (): string | null => NEEDED.find((program) => !existsSync(program)) ?? null;

export interface PowerDeviceOptions {
  /** Words that get a program to where it is asked from. */
  readonly enter?: readonly string[];
  readonly port?: number;
  /** Where processes are recorded; by default it is the device's own. */
  readonly stateDirectory?: string;
}

export class PowerDevice {
  readonly #at = mkdtempSync(join(tmpdir(), 'dtn-power-'));
  readonly #options: PowerDeviceOptions;
  #simulator: ProcessRecord | undefined;
  /** null: the real agent and a simulated BMC; else what is missing for these. */
  readonly missing: string | null;

  constructor(options: PowerDeviceOptions = {}) {
    this.#options = options;
    this.missing = missingForFencing();
    this.#write('chassis', CHASSIS(this.#at));
    this.#write('fence_double', DOUBLE(this.#at));
    this.power = true;
  }

  get #port(): number {
    return this.#options.port ?? 6230;
  }

  #write(name: string, text: string): void {
    writeFileSync(join(this.#at, name), text);
    chmodSync(join(this.#at, name), 0o700);
  }

  get power(): boolean {
    return existsSync(join(this.#at, 'on'));
  }

  /** By hand, at the machine itself. */
  set power(isOn: boolean) {
    if (isOn) writeFileSync(join(this.#at, 'on'), '');
    else rmSync(join(this.#at, 'on'), { force: true });
  }

  /** What it was told to do, in order. */
  get done(): string[] {
    const file = join(this.#at, 'done');
    return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : [];
  }

  /** The file for `fence-devices`, with this device for that host. */
  fileFor(host: string, password = PASSWORD): string {
    const settings = [`ip = ${ADDRESS}`, `ipport = ${this.#port}`, 'lanplus = 1', 'cipher = 3'];
    const access = [`username = ${USER}`, `password = ${password}`];
    const agent = this.missing === null ? FENCE_IPMILAN : join(this.#at, 'fence_double');
    this.#write('devices', [`[${host}]`, `agent = ${agent}`, ...settings, ...access, ''].join('\n'));
    chmodSync(join(this.#at, 'devices'), 0o600);
    return join(this.#at, 'devices');
  }

  /** Whether somebody could read the password there. */
  isIn(text: string): boolean {
    return text.includes(PASSWORD);
  }

  /** Starts the BMC, unless it is a double; it answers when this resolves. */
  async start(): Promise<void> {
    if (this.missing !== null) return;
    const { enter = [], stateDirectory = this.#at } = this.#options;
    const files = { lan: join(this.#at, 'lan.conf'), emulation: join(this.#at, 'bmc.emu') };
    writeFileSync(files.lan, LAN(this.#at, this.#port));
    writeFileSync(files.emulation, EMULATION);
    mkdirSync(join(this.#at, 'state'), { recursive: true });
    const run = ['ipmi_sim', '-c', files.lan, '-f', files.emulation, '-s', join(this.#at, 'state'), '-n'];
    this.#simulator = await launch({ stateDirectory, name: 'bmc', argv: [...enter, ...run] });
    const where = ['-I', 'lanplus', '-C', '3', '-N', '1', '-R', '1', '-H', ADDRESS, '-p', `${this.#port}`];
    const ask = ['ipmitool', ...where, '-U', USER, '-P', PASSWORD, 'chassis', 'power', 'status'];
    await until(realClock, { what: 'the simulated BMC answers', timeoutMs: 20_000 }, async () => {
      const { stdout } = await runProgram([...enter, ...ask]);
      return /Power is on/.test(stdout);
    });
  }

  async remove(): Promise<void> {
    if (this.#simulator) await end(realClock, [this.#simulator], 1_000);
    rmSync(this.#at, { recursive: true, force: true });
  }
}
