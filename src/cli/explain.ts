/** `deuteron explain`: the server's sentences on what is missing, where, since when, why, and what is being done. */
import { parseArgs } from 'node:util';
import { callApi, ENDPOINT_HELP, ENDPOINT_OPTIONS, endpointFrom, findId } from './api-client.ts';
import { type Command, type CommandIo, EXIT_DONE, UsageError } from './command.ts';
import { toSecond } from './table.ts';

const USAGE = `usage: deuteron explain port ID [--json]
       deuteron explain network ID [--json]
       deuteron explain router ID [--json]
       deuteron explain agent ID|HOST|HOST/ROLE [--json]

Why it is not as it should be: what is missing, where, since when, why, and what is being done about it. Ports, networks
and routers may also be named. Members may ask for their own ports and routers, and for networks that they see.

  --json             print JSON
${ENDPOINT_HELP}

Exit codes: 0 done, 1 failed (also: not there), 2 wrong usage.`;

export interface Explanation {
  readonly subject: string;
  readonly state: string;
  readonly summary: string;
  readonly findings: readonly { readonly code: string; readonly state: string; readonly sentence: string }[];
  readonly events: readonly { readonly at: string; readonly message: string }[];
}

const KINDS = ['port', 'network', 'router', 'agent'] as const;
const SHOWN_EVENTS = 5;

/** The explanation as a person reads it. */
export function renderExplanation({ subject, state, summary, findings, events }: Explanation): string {
  const lines = [`${subject} is ${state}.`];
  if (findings.length === 0) lines.push('', summary);
  for (const finding of findings) lines.push('', `- [${finding.state}] ${finding.sentence}`);
  if (events.length > 0) lines.push('', 'What happened lately:');
  for (const { at, message } of events.slice(0, SHOWN_EVENTS)) lines.push(`  ${toSecond(at)}  ${message}`);
  return `${lines.join('\n')}\n`;
}

async function run(args: string[], io: CommandIo): Promise<number> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { ...ENDPOINT_OPTIONS, json: { type: 'boolean' } },
  });
  const [given, wanted, ...rest] = positionals;
  const kind = KINDS.find((one) => one === given);
  if (kind === undefined)
    throw new UsageError(`explain what? ${KINDS.join(', ')}; not ${given ?? 'nothing'}`);
  if (wanted === undefined) throw new UsageError(`which ${kind}?`);
  if (rest.length > 0) throw new UsageError(`unexpected argument: ${rest[0]}`);
  const endpoint = endpointFrom(values, io.env);
  const id = kind === 'agent' ? wanted : await findId(endpoint, kind, wanted);
  const path = `/v2.0/deuteron/explain/${kind}/${encodeURIComponent(id)}`;
  const explanation: Explanation = (await callApi(endpoint, 'GET', path)).body.explanation;
  io.out(values.json ? `${JSON.stringify(explanation)}\n` : renderExplanation(explanation));
  return EXIT_DONE;
}

export const explainCommand: Command = {
  name: 'explain',
  summary: 'why a port, a network, a router or an agent is not as it should be',
  usage: USAGE,
  run,
};
