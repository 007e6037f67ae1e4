/**
 * The firewall of this host's ports: makes the tables be as the mirror says, in one transaction for whatever changed, and ends
 * connections that may be no more. See README.md.
 */
import type { ConnectionFilter, Host } from '../../../host/host.ts';
import { Turns } from '../../../lib/turns.ts';
import { tapName } from '../../../resources/agent-view.ts';
import type { World } from '../../role.ts';
import { type L2Settings, portsOf } from '../desired.ts';
import { compile, type FilterInput } from './compile.ts';
import { filterInput, missingFor } from './desired.ts';
import { endingsOf, type Forms } from './endings.ts';
import { formOf, renderChange } from './form.ts';
import { BRIDGE_TABLE, INET_TABLE } from './frame.ts';

/** Connections that are to be ended: written before the rules go, so that a later life of the agent ends them if this one cannot. */
const ENDINGS = 'firewall/endings.json';

export interface FirewallOptions {
  readonly host: Host;
  readonly world: World;
  readonly settings: L2Settings;
  /** Whether a link is in a bridge of ours, as far as known. */
  readonly isMember: (link: string) => boolean;
}

export class Firewall {
  readonly #options: FirewallOptions;
  #worldChanged = true;
  /** What the host has; undefined: to be read. */
  #forms: Forms | undefined;
  /** How often the host was said to have changed. */
  #hostChanges = 0;
  /** Links that are filtered, by what was last seen or made; null: nothing was. */
  #standing: ReadonlySet<string> | null = null;
  #input: FilterInput | null = null;
  /** Links that are filtered and wanted no more. */
  #leaving: readonly string[] = [];
  /** Those of them that are still in a bridge. */
  #closing: readonly string[] = [];
  /** Why the last change could not be made. */
  #failure: string | null = null;
  #isAble = false;
  /** null: what an earlier life left is to be read. */
  #owed: readonly ConnectionFilter[] | null = null;
  readonly #turns = new Turns();

  constructor(options: FirewallOptions) {
    this.#options = options;
  }

  worldChanged(): void {
    this.#worldChanged = true;
  }

  hostChanged(): void {
    this.#forms = undefined;
    this.#isAble = false;
    this.#hostChanges += 1;
  }

  /** Makes nothing, but knows afterwards what stands; throws if that cannot be read. */
  look(): Promise<void> {
    return this.#turns.take(async () => {
      if (this.#standing === null) this.#keep(await this.#read());
    });
  }

  #keep(forms: Forms): void {
    this.#standing = forms.bridge?.sets.get('filtered') ?? new Set();
  }

  /** Makes it so, and says whether another hand had changed it; throws if the host refuses. Costs nothing when nothing has changed. */
  ensure(): Promise<boolean> {
    return this.#turns.take(async () => {
      try {
        const changed = await this.#ensure();
        this.#failure = null;
        return changed;
      } catch (error) {
        this.#forms = undefined;
        this.#failure = error instanceof Error ? error.message : String(error);
        throw error;
      }
    });
  }

  /** Why the firewall of a port of the mirror is not as it should be, a sentence; null: it is. */
  shortfallOf(portId: string): string | null {
    const port = this.#input?.ports.find(({ id }) => id === portId);
    if (port === undefined || this.#input === null) return 'its firewall is not there yet';
    return this.#failure ?? missingFor(port, this.#input);
  }

  /** Links that it keeps closed until they have left their bridges. */
  closing(): readonly string[] {
    return this.#closing;
  }

  /** Whether the link is filtered by what the host has; null: that is not known. */
  stands(link: string): boolean | null {
    return this.#standing?.has(link) ?? null;
  }

  async #ensure(): Promise<boolean> {
    const { host, world, settings } = this.#options;
    const isRead = this.#forms === undefined;
    const changes = this.#hostChanges;
    const before = this.#forms ?? (await this.#read());
    this.#keep(before);
    if (this.#worldChanged || isRead) this.#leaving = this.#leavingOf(before);
    const closing = this.#leaving.filter(this.#options.isMember);
    if (!this.#worldChanged && !isRead && closing.join() === this.#closing.join()) return false;
    this.#forms = before;
    const isDrift = isRead && !this.#worldChanged;
    this.#worldChanged = false;
    this.#closing = closing;
    const input = filterInput(world, settings, closing);
    this.#input = input;
    const isWanted = input.ports.length > 0 || closing.length > 0;
    if (isWanted && !this.#isAble) await this.#needEngine();
    const tables = isWanted ? compile(input, before.inet) : null;
    const ofBridge = renderChange(BRIDGE_TABLE, before.bridge, tables?.bridge ?? null);
    const lines = [...ofBridge, ...renderChange(INET_TABLE, before.inet, tables?.inet ?? null)];
    const after: Forms = {
      bridge: formOf(tables?.bridge ?? null, before.bridge),
      inet: formOf(tables?.inet ?? null, before.inet),
    };
    await this.#owe(endingsOf(before, after, { sameLinks: ofBridge.length === 0 }));
    if (lines.length > 0) await host.applyRuleset(null, `${lines.join('\n')}\n`);
    this.#keep(after);
    // What another hand did meanwhile is to be read.
    this.#forms = changes === this.#hostChanges ? after : undefined;
    await this.#endOwed();
    return isDrift && lines.length > 0;
  }

  async #read(): Promise<Forms> {
    const { host } = this.#options;
    const [bridge, inet] = await Promise.all([
      host.tableForm(null, BRIDGE_TABLE),
      host.tableForm(null, INET_TABLE),
    ]);
    return { bridge, inet };
  }

  async #needEngine(): Promise<void> {
    const fault = await this.#options.host.filteringFault();
    if (fault !== null) throw new Error(`security groups cannot be enforced here: ${fault}`);
    this.#isAble = true;
  }

  /** Until they have left their bridge they would be open without this. */
  #leavingOf({ bridge }: Forms): string[] {
    const filtered = bridge?.sets.get('filtered') ?? new Set<string>();
    if (filtered.size === 0) return [];
    const wanted = new Set([...portsOf(this.#options.world)].map(({ id }) => tapName(id)));
    return [...filtered].filter((link) => !wanted.has(link)).sort();
  }

  async #owe(endings: readonly ConnectionFilter[]): Promise<void> {
    const { host } = this.#options;
    if (this.#owed === null) {
      const text = await host.readFile(ENDINGS);
      this.#owed = readEndings(text);
    }
    if (endings.length === 0) return;
    this.#owed = [...this.#owed, ...endings];
    // Without room for it this life ends them, and rules that must go do not stay for that.
    await host.writeFile(ENDINGS, JSON.stringify(this.#owed)).catch(() => undefined);
  }

  async #endOwed(): Promise<void> {
    const { host } = this.#options;
    if (this.#owed === null || this.#owed.length === 0) return;
    await host.endConnections(this.#owed);
    this.#owed = [];
    await host.removeFile(ENDINGS);
  }
}

/** [] too where the file was cut short: it is written whole or not at all, but a disk may lose what it has. */
function readEndings(text: string | null): ConnectionFilter[] {
  try {
    const read: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(read) ? (read as ConnectionFilter[]) : [];
  } catch {
    return [];
  }
}
