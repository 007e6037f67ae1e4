/** `docs/operate/configuration.md`, made from the option tables; a test holds the file to it. */
import { AGENT_OPTIONS, SERVER_OPTIONS } from './config.ts';
import { environmentName, type Option, type OptionTable, rangeOf } from './options.ts';

function defaultOf(option: Option): string {
  if (Array.isArray(option.default))
    return option.default.length === 0 ? '' : `\`${option.default.join(',')}\``;
  return option.default === null || option.default === '' ? '' : `\`${String(option.default)}\``;
}

const allowedOf = (option: Option): string => option.choices?.join(', ') ?? rangeOf(option);

function section(title: string, table: OptionTable): string {
  const rows = Object.entries(table).map(
    ([name, option]) => `| \`${name}\` | ${defaultOf(option)} | ${allowedOf(option)} | ${option.help} |`,
  );
  return `## ${title}\n\n| Option | Default | Allowed | What it does |\n|---|---|---|---|\n${rows.join('\n')}\n`;
}

/** The whole page. */
export function configurationPage(): string {
  const example = environmentName('underlay-mtu');
  return `# Configuration

Each option can be given three ways; the earlier wins:

1. as a flag: \`--underlay-mtu 9000\` or \`--underlay-mtu=9000\` (a list: repeat the flag, or separate by commas);
2. in the environment: \`${example}=9000\`;
3. in a file named by \`--config FILE\` (or \`DEUTERON_CONFIG\`): lines \`underlay-mtu = 9000\`, \`#\` begins a comment.

An unknown option, or a value that is not allowed, ends the start with exit code 2 and a message that names it and its place.

${section('deuteron server', SERVER_OPTIONS)}
${section('deuteron agent', AGENT_OPTIONS)}
\`deuteron all-in-one\` takes the options of both; host, credential and addresses settle themselves.
`;
}
