/** House rules as tests: who imports whom, sizes, banned calls, a README in each room, paths named in documents. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';

/** What each room may import besides itself. A longer path is a room of its own. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  lib: [],
  resources: ['lib'],
  ipam: ['resources', 'lib'],
  scheduling: ['resources', 'lib'],
  arbitration: ['resources', 'lib'],
  convergence: ['resources', 'lib'],
  policy: [],
  reconcile: ['lib'],
  watch: ['resources', 'lib'],
  store: ['resources', 'lib'],
  operations: ['resources', 'ipam', 'scheduling', 'arbitration', 'convergence', 'store', 'lib'],
  background: [
    'operations',
    'ipam',
    'scheduling',
    'arbitration',
    'convergence',
    'store',
    'reconcile',
    'resources',
    'lib',
  ],
  api: ['operations', 'resources', 'policy', 'watch', 'lib', 'store/store.ts'],
  host: ['lib'],
  agents: ['watch', 'resources', 'reconcile', 'host/host.ts', 'lib'],
  'agents/l2': [
    'watch',
    'resources',
    'reconcile',
    'host/host.ts',
    'lib',
    'agents/role.ts',
    'agents/police.ts',
  ],
  'agents/dhcp': ['watch', 'resources', 'reconcile', 'host/host.ts', 'lib', 'agents/role.ts'],
  'agents/l3': [
    'watch',
    'resources',
    'reconcile',
    'host/host.ts',
    'lib',
    'agents/role.ts',
    'agents/police.ts',
  ],
  lab: ['host', 'lib'],
  cli: ['resources', 'watch', 'lab', 'lib'],
};

interface Ban {
  readonly pattern: RegExp;
  readonly instead: string;
  readonly except: RegExp;
}

const BANS: readonly Ban[] = [
  { pattern: /\bDate\.now\(|\bnew Date\(\)/, instead: 'a Clock', except: /^src\/(lib|main)\// },
  { pattern: /\bset(Timeout|Interval)\(/, instead: 'Clock.after', except: /^src\/(lib|main)\// },
  { pattern: /\bMath\.random\(|\brandomUUID\b/, instead: 'a Random', except: /^src\/(lib|main)\// },
  {
    pattern: /from 'node:(child_process|fs|fs\/promises)'/,
    instead: 'the Host',
    except: /^src\/(host|main|lab)\/|^src\/store\/migrate\.ts$/,
  },
  {
    pattern: /\b(select|update|delete|insert)\b[^'"`;]*\b(from|set|into)\b.*\b(where|values|returning)\b/i,
    instead: 'a function in store/',
    except: /^src\/store\//,
  },
  { pattern: /select \*/i, instead: 'the columns by name', except: /^$/ },
  { pattern: /\bconsole\.(log|error|warn|info|debug)\(/, instead: 'the logger, or io.out', except: /^$/ },
  { pattern: /\bexport default\b/, instead: 'a named export', except: /^$/ },
  { pattern: /\bFIXME\b/, instead: 'the repair, or an issue', except: /^$/ },
  {
    pattern: /\bcatch\s*(\([^)]*\)\s*)?\{\s*\}/,
    instead: 'handling, or a comment that says why not',
    except: /^$/,
  },
];

const BANNED_NAMES = /^(utils?|helpers?|common|types|interfaces|manager|service|index)\.ts$/;

const sources = globSync('src/**/*.ts').sort();

function roomOf(file: string): string {
  const parts = file.split('/').slice(1);
  const deep = `${parts[0]}/${parts[1]}`;
  return deep in MAY_IMPORT ? deep : (parts[0] as string);
}

function mayImport(room: string, target: string): boolean {
  const path = target.replace(/^src\//, '');
  if (roomOf(target) === room || room === 'main') return true;
  return (MAY_IMPORT[room] ?? []).some((allowed) => path === allowed || path.startsWith(`${allowed}/`));
}

test('rooms import only what they may', () => {
  const wrong: string[] = [];
  for (const file of sources) {
    if (file.endsWith('.test.ts')) continue;
    for (const match of readFileSync(file, 'utf8').matchAll(/from '(\.[^']+)'/g)) {
      const target = normalize(join(dirname(file), match[1] as string));
      if (!mayImport(roomOf(file), target)) wrong.push(`${file} imports ${relative('src', target)}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('nothing banned is used', () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const lines = readFileSync(file, 'utf8').split('\n');
    lines.forEach((line, at) => {
      if (/^\s*(\/\/|\*|\/\*)/.test(line)) return;
      for (const ban of BANS) {
        if (file.endsWith('.test.ts') && /Date|setTimeout|Math|child_process/.test(ban.pattern.source))
          continue;
        if (ban.pattern.test(line) && !ban.except.test(file))
          wrong.push(`${file}:${at + 1} use ${ban.instead}: ${line.trim()}`);
      }
    });
  }
  assert.deepEqual(wrong, []);
});

test('files keep their size and names', () => {
  const wrong: string[] = [];
  for (const file of [...sources, ...globSync('test/**/*.ts')]) {
    const lines = readFileSync(file, 'utf8').split('\n').length;
    if (lines > 500) wrong.push(`${file} has ${lines} lines, more than 500`);
    if (BANNED_NAMES.test(file.split('/').at(-1) as string)) wrong.push(`${file}: name it by what it holds`);
  }
  assert.deepEqual(wrong, []);
});

test('every room has a README of 5 to 30 lines', () => {
  const wrong: string[] = [];
  for (const room of new Set(sources.map((file) => file.split('/')[1] as string))) {
    const path = `src/${room}/README.md`;
    const lines = existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').length : 0;
    if (lines < 5 || lines > 30) wrong.push(`${path}: ${lines} lines`);
  }
  assert.deepEqual(wrong, []);
});

test('paths named in documents exist', () => {
  const wrong: string[] = [];
  for (const doc of globSync(['*.md', 'docs/**/*.md', 'src/**/README.md'])) {
    for (const match of readFileSync(doc, 'utf8').matchAll(/`((?:src|test|docs|scripts|bin)\/[\w./-]+)`/g)) {
      if (!existsSync(match[1] as string)) wrong.push(`${doc}: ${match[1]}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('the project speaks of itself only', () => {
  const wrong: string[] = [];
  for (const file of globSync([
    '*.md',
    'docs/**/*.md',
    'src/**/*',
    'test/**/*.ts',
    'scripts/*',
    'package.json',
  ])) {
    if (!/\.\w+$/.test(file) || file === 'test/tidy.test.ts') continue;
    const text = readFileSync(file, 'utf8');
    if (/\/work\/(main|shared)|\bnpmjs\.|deb\.debian\.org/.test(text)) wrong.push(file);
  }
  assert.deepEqual(wrong, []);
});
