import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { COMMAND_LIST } from '../../src/cli/command-list.ts';
import { type Flags, listFlags } from '../../src/cli/flags.ts';
import { loadCommand } from '../../src/cli/program.ts';

const ROOT = path.join(import.meta.dirname, '../..');
/** Pages about this program; docs/clients.md is about other tools. */
const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT, exclude: ['docs/clients.md', 'CONTRIBUTING.md'] });
const COMMANDS = await Promise.all(COMMAND_LIST.map(({ name }) => loadCommand(name)));
/** Flags of every command, of `spartakus` itself, of kubectl and mongodump, and of `npm run bench`. */
const OTHER_FLAGS = ['help', 'version', 'print-databases', 'cascade', 'oplog', 'check', 'quick'];

const namesOf = (flags: Flags): string[] => listFlags(flags).map(({ name }) => name);
const read = (page: string): string => readFileSync(path.join(ROOT, page), 'utf8');

test.each(PAGES)('every flag that %s names exists', (page) => {
  const known = new Set([...COMMANDS.flatMap(({ flags }) => namesOf(flags)), ...OTHER_FLAGS]);
  const named = [...read(page).matchAll(/`[^`\n]*?--([a-z-]+)/g)].map(([, name = '']) => name);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});
