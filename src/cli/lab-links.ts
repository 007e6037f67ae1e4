/** `deuteron lab cut` and `heal`. */
import { parseArgs } from 'node:util';
import { type Cut, describeCut } from '../lab/cuts.ts';
import { type Command, type CommandIo, EXIT_DONE, UsageError } from './command.ts';
import { LAB_HELP, LAB_OPTIONS, openLab, readNumber, readSegment, take, takeNoMore } from './lab-options.ts';

const CUT_USAGE = `usage: deuteron lab cut HOST tunnel|management|external [OPTION...]

Breaks a host's link, at the switch. A later cut of the same link replaces the earlier one.

  --carrier          take the link down, which the host notices (the default)
  --silent           let frames vanish while the link looks well
  --one-way in|out   only what the host receives, or only what it sends; silent
  --loss PERCENT     lose that share of the frames; silent
  --mtu BYTES        lose packets larger than that; silent
${LAB_HELP}

HOST is h1, h2, ... or just the number, or ctl1, ... for a server (management only).
Exit codes: 0 done, 1 failed, 2 wrong usage.`;

const CUT_OPTIONS = {
  ...LAB_OPTIONS,
  carrier: { type: 'boolean', default: false },
  silent: { type: 'boolean', default: false },
  'one-way': { type: 'string' },
  loss: { type: 'string' },
  mtu: { type: 'string' },
} as const;

/** The cut that a command line means. Throws UsageError. */
export function readCut(args: string[]): { cut: Cut; flags: { id?: string; 'state-directory'?: string } } {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: CUT_OPTIONS });
  const node = take(positionals, 'host');
  const segment = readSegment(take(positionals, 'segment: tunnel, management or external'));
  takeNoMore(positionals);
  const way = values['one-way'];
  if (way !== undefined && way !== 'in' && way !== 'out') throw new UsageError('--one-way is in or out');
  if (values.loss !== undefined && values.mtu !== undefined)
    throw new UsageError('--loss and --mtu exclude each other');
  const direction: Cut['direction'] = way ?? 'both';
  const base = { node, segment, direction };
  const isSilent =
    values.silent || way !== undefined || values.loss !== undefined || values.mtu !== undefined;
  if (values.carrier && isSilent) throw new UsageError('a --carrier cut cannot be silent or partial');
  let cut: Cut = { ...base, kind: isSilent ? 'silent' : 'carrier' };
  if (values.loss !== undefined)
    cut = { ...base, kind: 'loss', amount: readNumber(values.loss, '--loss', { min: 1, max: 100 }) };
  if (values.mtu !== undefined)
    cut = { ...base, kind: 'mtu', amount: readNumber(values.mtu, '--mtu', { min: 68, max: 9000 }) };
  return { cut, flags: values };
}

async function runCut(args: string[], io: CommandIo): Promise<number> {
  const { cut, flags } = readCut(args);
  const lab = openLab(flags);
  const named = { ...cut, node: lab.node(cut.node).name };
  await lab.cut(named);
  io.out(`${describeCut(named)}\n`);
  return EXIT_DONE;
}

const HEAL_USAGE = `usage: deuteron lab heal [HOST [tunnel|management|external]] [OPTION...]

Undoes cuts: of one link, of one host, or all.

${LAB_HELP}

Exit codes: 0 done, 1 failed, 2 wrong usage.`;

async function runHeal(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: LAB_OPTIONS });
  const [host, segment, ...rest] = positionals;
  takeNoMore(rest);
  const lab = openLab(values);
  await lab.heal(
    host === undefined ? undefined : lab.node(host).name,
    segment === undefined ? undefined : readSegment(segment),
  );
  const { cuts } = lab.state();
  io.out(
    cuts.length === 0
      ? 'Nothing is cut.\n'
      : `Still cut:\n${cuts.map((c) => `  ${describeCut(c)}\n`).join('')}`,
  );
  return EXIT_DONE;
}

export const cutCommand: Command = {
  name: 'lab cut',
  summary: "break a host's link: carrier, silent, one way, loss, MTU",
  usage: CUT_USAGE,
  run: runCut,
};
export const healCommand: Command = {
  name: 'lab heal',
  summary: 'undo cuts',
  usage: HEAL_USAGE,
  run: runHeal,
};
