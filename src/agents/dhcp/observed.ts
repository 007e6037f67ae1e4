/** What is there, as `observe.ts` found it. */
import type { Link } from '../../host/host.ts';
import type { Shortfall } from '../../reconcile/controller.ts';

export interface ObservedWiring {
  readonly namespace: boolean;
  /** Our table is in it, as far as we know. */
  readonly table: boolean;
  /** The veth's end in the host's own namespace. */
  readonly tap: Link | null;
  /** Every link in the namespace. */
  readonly inner: readonly Link[];
}

/** A lease that dnsmasq must give up. */
export interface Release {
  readonly mac: string;
  readonly ip: string;
}

/** The network's directory: what dnsmasq has read, or will as soon as it runs. */
export interface ObservedFiles {
  readonly conf: string | null;
  readonly options: string | null;
  /** A directory that dnsmasq watches is gone, or its log: it can neither be told anything nor say anything. */
  readonly torn: boolean;
  /** By port id: its lines, in `base` or in files of its own. */
  readonly ports: ReadonlyMap<string, { readonly hosts: string; readonly names: string }>;
  /** A port stands in two places with different lines, a file is missing, or the log has grown long. */
  readonly untidy: boolean;
  /** The releases of a reload that was begun; null when none is under way. */
  readonly reloading: readonly Release[] | null;
  /** Something was written without dnsmasq's log saying that it was read without an error. */
  readonly unconfirmed: boolean;
  /** What dnsmasq refused of the base and options files when it last read them. */
  readonly rejected: readonly Shortfall[];
}
