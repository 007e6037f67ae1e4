/**
 * All that agents know of Linux, in our verbs. `linux/` does it with iproute2, nftables, /proc; `fake/` in memory for
 * simulation; one contract test holds both.
 *
 * - Everything is idempotent or says `Exists`/`Missing` by state, never by a parsed message of a tool.
 * - Several changes go as one list of steps: performed in order, each with its own result, so that one that fails does
 *   not hold the others (R19). Linux runs a list as one `ip -batch`.
 * - Paths are below the agent's own state directory; writes are atomic (temporary file, rename).
 * - Processes outlive the agent (own session, marked in their environment); `findProcess` recognises one after a restart (R24).
 */

export interface Link {
  readonly name: string;
  readonly kind: 'bridge' | 'vxlan' | 'veth' | 'tun' | 'vlan' | 'other';
  readonly up: boolean;
  readonly mtu: number;
  readonly mac: string;
  /** Bridge it is enslaved to; null for none. */
  readonly master: string | null;
  /** For a vxlan; `learning`: it remembers from where it heard an address. */
  readonly vxlan?: {
    readonly id: number;
    readonly local: string;
    readonly port: number;
    readonly learning: boolean;
  };
  /** For a vlan: its tag, and the link that it stands on. */
  readonly vlan?: { readonly id: number; readonly on: string };
  /** For a member of a bridge. */
  readonly bridging?: Bridging;
  /** For a bridge: IP packets that it passes on go through the host's packet filter as well (br_netfilter); absent: no. */
  readonly filtered?: true;
  /** `192.0.2.1/24`, canonical; link-local IPv6 addresses excluded. Filled for links listed inside a namespace. */
  readonly addresses: readonly string[];
}

/** How a bridge treats a member: bridge(8). */
export interface Bridging {
  /** Nothing goes to another isolated member. */
  readonly isolated: boolean;
  /** The bridge remembers which addresses it heard there. */
  readonly learning: boolean;
  /** What is for many, or for an address that was not learned, goes there. */
  readonly flood: boolean;
}

export type LinkStep =
  | {
      readonly op: 'add-bridge';
      readonly name: string;
      readonly mtu: number;
      /** Stays the same whatever joins the bridge; without it, the lowest of its members'. */
      readonly mac?: string;
    }
  | {
      readonly op: 'add-vxlan';
      readonly name: string;
      readonly id: number;
      readonly local: string;
      readonly port: number;
      readonly mtu: number;
      /** Default true. */
      readonly learning?: boolean;
    }
  /** What comes in on the link `on` with this 802.1Q tag; the kernel may have none of this, and says so. */
  | {
      readonly op: 'add-vlan';
      readonly name: string;
      readonly on: string;
      readonly id: number;
      readonly mtu: number;
    }
  | {
      readonly op: 'add-veth';
      readonly name: string;
      readonly mtu: number;
      /** The other end, straight into a namespace. */
      readonly peer: { readonly name: string; readonly namespace: string; readonly mac: string };
    }
  | {
      readonly op: 'set-link';
      readonly name: string;
      readonly up?: boolean;
      readonly master?: string | null;
      /** Without learning, what was learned before is forgotten. */
      readonly bridging?: Bridging;
      /** Of a bridge, as in `Link`. */
      readonly filtered?: boolean;
      readonly mtu?: number;
      readonly mac?: string;
      /** false: the host has no IPv6 of its own on it (so on every bridge, vxlan and veth end made here). */
      readonly ipv6?: false;
    }
  | { readonly op: 'delete-link'; readonly name: string }
  | { readonly op: 'add-address'; readonly link: string; readonly address: string }
  | { readonly op: 'delete-address'; readonly link: string; readonly address: string }
  /**
   * The link's neighbours are told of all its addresses (gratuitous ARP, unsolicited neighbour advertisement), if the
   * namespace's `arp_notify` and `ndisc_notify` are set. `mac` is the one that it has.
   */
  | { readonly op: 'announce'; readonly name: string; readonly mac: string };

/** null: done. Otherwise why not, one sentence. */
export type StepResult = string | null;

/** Marks our routes; no program has this number in iproute2's rt_protos. */
export const ROUTE_PROTOCOL = 157;

/**
 * A route that `changeRoutes` made, or a program that was told to mark it as one: it bears our protocol number. Or the kernel's
 * own, to the network of an address of a link.
 */
export interface Route {
  /** Canonical, `0.0.0.0/0` and `::/0` for the default. */
  readonly destination: string;
  /** null: what it leads to is on the link itself. */
  readonly nexthop: string | null;
  /** In a step null: the link by which the next hop is reached. */
  readonly link: string | null;
  /** Where packets are spread over several next hops (ECMP), those after the first, by `compareHops`. */
  readonly others?: readonly Hop[];
  /** It is the kernel's own; none of these is set or deleted. */
  readonly isConnected?: true;
}

export interface Hop {
  readonly nexthop: string;
  /** As a route's. */
  readonly link: string | null;
}

/** The order of a route's next hops, so that equal routes are alike. */
export const compareHops = (a: Hop, b: Hop): number =>
  a.nexthop === b.nexthop ? ((a.link ?? '') < (b.link ?? '') ? -1 : 1) : a.nexthop < b.nexthop ? -1 : 1;

export type RouteStep =
  /** Replaces the one of the same destination. With next hop and link both, the next hop need be in no subnet of the link. */
  | ({ readonly op: 'set' | 'delete' } & Route)
  /** The kernel's own route to the network of an address of the link, as it makes it with the address: it replaces any other. */
  | { readonly op: 'connect'; readonly link: string; readonly address: string };

/** What is in a table of nftables. */
export interface TableState {
  /** As `rulesetMark`. */
  readonly mark: string | null;
  /** By map, its elements: key to value, both as nft prints them (`10.0.0.1 . tcp . 80`, `"qg-1"`). */
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

/** All that a table of nftables holds, as far as it can be compared with what was applied. */
export interface TableForm {
  readonly chains: ReadonlyMap<string, ChainForm>;
  /** Elements as words: `10.0.0.1`, `2001:db8::/64`, `tap0 . 02:00:00:00:00:01`, marks as decimal numbers. */
  readonly sets: ReadonlyMap<string, ReadonlySet<string>>;
  /** The same; of verdicts: `goto x`, `jump x`. */
  readonly maps: ReadonlyMap<string, ReadonlyMap<string, string>>;
}

export interface ChainForm {
  /** `prerouting -300 accept`: where it begins, its priority and policy; '' for one that others lead to. */
  readonly hook: string;
  /** Each rule's comment, '' for none: whoever makes rules says in it what they are. */
  readonly rules: readonly string[];
}

/** Connections that the kernel tracks; of what is not named, any. */
export interface ConnectionFilter {
  readonly version: 4 | 6;
  readonly zone?: number;
  /** An address or prefix: whence its first packet came, or where it went. */
  readonly source?: string;
  readonly destination?: string;
  readonly mark?: { readonly value: number; readonly mask: number };
}

/** An all-zero (flood) forwarding entry of a vxlan link. */
export interface FloodEntry {
  readonly link: string;
  readonly destination: string;
}

export type FloodStep = { readonly op: 'add' | 'delete' } & FloodEntry;

/** How fast what leaves by a link of the host's own may go: more waits for its turn, and is dropped where that is long. */
export interface Shaper {
  readonly bytesPerSecond: number;
  /** So much may go at once. */
  readonly burstBytes: number;
}

export type ShaperStep =
  | ({ readonly op: 'set'; readonly link: string } & Shaper)
  | { readonly op: 'delete'; readonly link: string };

/** Whether one that was set reads as it was asked for: the kernel counts in ticks. */
export const isSameShaper = (one: Shaper, other: Shaper): boolean =>
  Math.abs(one.bytesPerSecond - other.bytesPerSecond) <= one.bytesPerSecond / 1000 &&
  Math.abs(one.burstBytes - other.burstBytes) <= one.burstBytes / 50;

export interface ProcessSpec {
  /** Unique on the host and stable over restarts, e.g. `dnsmasq-<network id>`; its log is named by it. */
  readonly name: string;
  /** null: the host's own namespace. */
  readonly namespace: string | null;
  /** Program and arguments, without a shell. */
  readonly argv: readonly string[];
  /** Whatever must differ for a restart to be needed; the running process carries it. */
  readonly configHash: string;
}

export type ProcessSignal = 'TERM' | 'HUP' | 'KILL' | 'USR1' | 'USR2';

export interface ProcessState {
  readonly pid: number;
  readonly configHash: string;
  /** Why it is known to do nothing though it is alive, as a sentence's end ("is stopped"); null: nothing is known. */
  readonly stuck: string | null;
}

/** One step on the way to a file, links followed. */
export interface PathStep {
  readonly path: string;
  /** endless: links lead in circles, or too far; `path` is then the one that was asked for. */
  readonly kind: 'directory' | 'file' | 'link' | 'other' | 'missing' | 'endless';
  readonly uid: number;
  readonly gid: number;
  /** The twelve bits of chmod(2). */
  readonly mode: number;
}

/** What is known of a program that is not ours before it is run. */
export interface ProgramFacts {
  /** From the root to the file; ends early where something is missing, or links have no end. */
  readonly steps: readonly PathStep[];
  /** Users whose files may be relied on. */
  readonly trusted: readonly number[];
  /** null: there is no file. `sha256`: '' where it is too large to be a script. `head`: its first bytes. */
  readonly content: { readonly size: number; readonly sha256: string; readonly head: string } | null;
  /** Of a script: what runs it, what runs that, and so on; none of other programs. */
  readonly interpreters: readonly Interpreter[];
}

/** The way to a program that runs a script, and whether it is a script itself; or why it is not known who does, the end of a sentence. */
export type Interpreter =
  | { readonly steps: readonly PathStep[]; readonly isScript: boolean }
  | { readonly unclear: string };

/** An ordinary user; null: this process's own (in a user namespace that maps no other), without its capabilities. */
export type ProgramUser = { readonly uid: number; readonly gid: number } | null;

export interface GuardedRun {
  /** null: the host's own. */
  readonly namespace: string | null;
  /** An absolute path, and arguments. */
  readonly argv: readonly string[];
  readonly user: ProgramUser;
  /** Nothing else but PATH and LC_ALL is in its environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

export interface GuardedResult {
  /**
   * timed-out: it was ended because of the time; flooded: because of what it wrote; signalled: by something else;
   * not-started: it never began, whatever the code says.
   */
  readonly ending: 'exited' | 'timed-out' | 'flooded' | 'signalled' | 'not-started';
  /** As a shell would tell it: 128 + number of the signal. */
  readonly code: number;
  readonly durationMs: number;
  /** The first 4 KiB of what it wrote, to either output. */
  readonly output: string;
  /** Only where something of it is left that was killed and does not end (it waits for a disk, say): until that is gone. */
  readonly gone?: Promise<void>;
}

/** A link of the host's own by which an address is reached, as of now. */
export interface Underlay {
  readonly link: string;
  /** It could carry something: it is up, and so is the other end of the wire. */
  readonly isUp: boolean;
  /** Where it is, or stands on, a bond (also as a VLAN, or in a bridge): its members, and which of them are down. */
  readonly bond: { readonly name: string; readonly members: number; readonly down: readonly string[] } | null;
  /** The links that it stands on, below VLANs, bridges and bonds: if there is one, everything ends with it. */
  readonly devices?: readonly string[];
}

export interface Probe {
  readonly address: string;
  readonly intervalMs: number;
  /** Of the whole packet, which may not be broken up on its way; null: a small one. */
  readonly bytes: number | null;
}

/** What became of a link. no-carrier: it is up, and the other end of the wire is not. */
export type LinkNews = 'up' | 'no-carrier' | 'down' | 'gone';

/**
 * Something changed on the host, mostly by another hand, or a process of ours ended. Only a hint: look again. What this
 * host's own verbs change is told too, but for files.
 */
export type HostEvent =
  | {
      readonly type: 'link';
      readonly name: string;
      /** null: the host's own. Another: one that a link of the host's own leads into. */
      readonly namespace: string | null;
      readonly news: LinkNews;
    }
  /** An address of a link came or went; only of namespaces that a link of the host's own leads into. */
  | {
      readonly type: 'address';
      readonly namespace: string;
      readonly news: 'came' | 'went';
      /** With prefix length. */
      readonly address: string;
    }
  /** A named namespace came, or its name went (those who are in it may run on). */
  | { readonly type: 'namespace'; readonly name: string; readonly news: 'came' | 'went' }
  /** A file or directory below a watched directory changed by another hand, or went. The path is as the verbs take it. */
  | { readonly type: 'file'; readonly path: string }
  /** Something in a table of the host's own namespace: family and name, as in `rulesetMark`. */
  | { readonly type: 'ruleset'; readonly table: string }
  /**
   * Another hand changed something in a namespace that a link of the host's own leads into, or in the host's own: a table
   * of nftables whose name begins with `deuteron_` (`what`: family and name), or a route as `changeRoutes` makes them,
   * or in the place of the kernel's own ('route'). 'unknown': one of these may have happened. In which namespace is not told; not all hosts tell of it.
   */
  | { readonly type: 'inside'; readonly what: string }
  /** A process of ours is alive and does nothing: `findProcess` says why. Told again until it ends or goes on. */
  | { readonly type: 'process-stuck'; readonly name: string }
  /** `present`: whether the entry is there now. */
  | { readonly type: 'flood'; readonly link: string; readonly destination: string; readonly present: boolean }
  | { readonly type: 'process-ended'; readonly name: string }
  /** Some events were lost: look at everything. */
  | { readonly type: 'overflow' };

/** A program ended before it was seen to run; the message says its last words. */
export class EndedAtOnce extends Error {}

export interface Host {
  /** Names of all named namespaces. */
  namespaces(): Promise<Set<string>>;
  /**
   * Makes it. `holder`: a process of ours that may still be in the namespace that lost this name; then that one gets its
   * name back, with all that is in it.
   */
  ensureNamespace(name: string, holder?: string): Promise<void>;
  /** Deletes it with every link in it; fine if it is not there. */
  removeNamespace(name: string): Promise<void>;

  /** Links of the host's own namespace: all, or those of these names that are there. Without addresses. */
  links(names?: readonly string[]): Promise<Link[]>;
  /** Links of several namespaces at once; a namespace that is not there is left out. */
  linksIn(namespaces: readonly string[]): Promise<Map<string, Link[]>>;
  /** null: the host's own namespace. `mayBegin`: nothing is done before it resolves, nor at all where it says false. */
  changeLinks(
    namespace: string | null,
    steps: readonly LinkStep[],
    mayBegin?: Promise<boolean>,
  ): Promise<StepResult[]>;

  /** Our routes and the kernel's own in several namespaces; a namespace that is not there is left out. */
  routes(namespaces: readonly string[]): Promise<Map<string, Route[]>>;
  changeRoutes(namespace: string, steps: readonly RouteStep[]): Promise<StepResult[]>;

  /** All, or those of these links. */
  floodEntries(links?: readonly string[]): Promise<FloodEntry[]>;
  changeFloodEntries(steps: readonly FloodStep[]): Promise<StepResult[]>;

  /** By link, those that `changeShapers` set, also in an earlier life. */
  shapers(): Promise<Map<string, Shaper>>;
  /** A link that is gone takes its own with it. */
  changeShapers(steps: readonly ShaperStep[]): Promise<StepResult[]>;

  /** Replaces what the nft text names, or adds and deletes elements of maps, atomically. */
  applyRuleset(namespace: string | null, text: string): Promise<void>;
  /**
   * The table's comment (`table inet x { comment "deuteron:<hash>"; ... }`), to know whether it is as we left it; null if
   * there is no such table, or what is in it is not what was applied with that comment; elements of maps are not looked
   * at (see `tables`). `table` is family and name: `inet deuteron_l2`.
   */
  rulesetMark(namespace: string | null, table: string): Promise<string | null>;
  /** The same for many namespaces at once; those without such a table are left out. */
  rulesetMarks(namespaces: readonly string[], table: string): Promise<Map<string, string>>;

  /** That table of many namespaces; those without one are left out. */
  tables(namespaces: readonly string[], table: string): Promise<Map<string, TableState>>;

  /** One table as it stands; null: there is none. */
  tableForm(namespace: string | null, table: string): Promise<TableForm | null>;
  /** Why IP packets that bridges pass on cannot be filtered by their connections, the end of a sentence; null: they can. */
  filteringFault(): Promise<string | null>;
  /** Forgets what the kernel tracks of them in the host's own namespace: their next packets are looked at as if they were the first. */
  endConnections(filters: readonly ConnectionFilter[]): Promise<void>;

  /** Sets kernel parameters, e.g. {'net.ipv6.conf.all.disable_ipv6': '1'}. */
  setSysctls(namespace: string | null, values: Readonly<Record<string, string>>): Promise<void>;

  readFile(path: string): Promise<string | null>;
  writeFile(path: string, text: string): Promise<void>;
  /**
   * Writes several, in their order: if there is no room for one of them, it throws and none is changed. `before` is called
   * when nothing but the renaming is left to do.
   */
  writeFiles(texts: ReadonlyMap<string, string>, before?: () => Promise<void>): Promise<void>;
  removeFile(path: string): Promise<void>;
  /** Names in a directory; empty when it is not there. */
  listFiles(path: string): Promise<string[]>;
  /** The directory with all below it; it is not watched any more. */
  removeDirectory(path: string): Promise<void>;
  /**
   * From now on `follow` tells of what changes in this directory (not below its directories) by another hand. To be said
   * again after it may have been made anew. Where the kernel allows no more of that, nothing is told. What is in
   * `ignored` is not ours to follow: files that programs write.
   */
  watchDirectory(path: string, ignored?: readonly string[]): Promise<void>;
  /** Appends to a file and makes it durable before it resolves. */
  appendDurably(path: string, text: string): Promise<void>;
  /** Where relative paths lie, for arguments of programs. */
  absolute(path: string): string;

  /**
   * Starts it detached, its output appended to `log/<name>.log`; resolves once the program itself runs (`EndedAtOnce` if it
   * does not). Fails if one of that name runs. It must stay in the foreground (dnsmasq: `--keep-in-foreground`).
   */
  startProcess(spec: ProcessSpec): Promise<ProcessState>;
  /** The running process of that name, also one that an earlier life of the agent started; null if there is none. */
  findProcess(name: string): Promise<ProcessState | null>;
  /**
   * Whether it runs, and in another namespace than the one that bears this name now (or there is none): that lost the name to
   * another hand, and lives on for those who are in it.
   */
  isAstray(name: string, namespace: string): Promise<boolean>;
  /** Names of all processes that were started under this state directory and still run. */
  processes(): Promise<string[]>;
  signalProcess(name: string, signal: ProcessSignal): Promise<void>;
  /** Ends it (TERM, then KILL after `graceMs`) and forgets its files. */
  stopProcess(name: string, graceMs: number): Promise<void>;
  /**
   * Ends processes that another hand started with exactly this program and arguments, which name a file of ours; says how
   * many. What bears our mark stays.
   */
  endCopies(argv: readonly string[]): Promise<number>;
  /** Runs a short program to its end, e.g. `dhcp_release`. */
  runProgram(
    namespace: string | null,
    argv: readonly string[],
  ): Promise<{ code: number; stdout: string; stderr: string }>;

  /** What there is to know before a program of the operator's is run. */
  inspectProgram(path: string): Promise<ProgramFacts>;
  /** By name or number; null: there is none. */
  findUser(name: string): Promise<{ readonly uid: number; readonly gid: number } | null>;
  /** Runs a program of the operator's so that a bad one harms nothing but itself. It never throws for what the program does. */
  runGuarded(run: GuardedRun): Promise<GuardedResult>;
  /** By address of the host's own, or name of a link: what carries it; those that there are not are left out. */
  underlays(named: readonly string[]): Promise<Map<string, Underlay>>;
  /**
   * Asks an address again and again (ICMP echo) from the host's own namespace until `signal` aborts. true: an answer came;
   * false: none had come when the next was due, or nothing can be sent there.
   */
  probe(probe: Probe, onAnswer: (answered: boolean) => void, signal: AbortSignal): Promise<void>;

  /**
   * Follows changes until `signal` aborts. 'overflow' comes first, once it listens: what changed before that is unknown.
   */
  follow(onEvent: (event: HostEvent) => void, signal: AbortSignal): Promise<void>;
}
