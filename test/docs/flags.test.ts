import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { loadAll } from 'js-yaml';
import { expect, test } from 'vitest';
import { COMMAND_LIST } from '../../src/cli/command-list.ts';
import { type Flags, listFlags } from '../../src/cli/flags.ts';
import { loadCommand } from '../../src/cli/program.ts';
import { listRules } from '../../src/report/cluster-role.ts';
import { createFieldSelection } from '../../src/report/field-selection.ts';

const ROOT = path.join(import.meta.dirname, '../..');
/** Pages about this program; docs/clients.md is about other tools. */
const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT, exclude: ['docs/clients.md', 'CONTRIBUTING.md'] });
const COMMANDS = await Promise.all(COMMAND_LIST.map(({ name }) => loadCommand(name)));
/** Flags of every command, and of `spartakus` itself. */
const OTHER_FLAGS = ['help', 'version', 'print-databases'];

const namesOf = (flags: Flags): string[] => listFlags(flags).map(({ name }) => name);
const read = (page: string): string => readFileSync(path.join(ROOT, page), 'utf8');

interface Manifest {
  readonly kind: string;
  readonly rules?: readonly unknown[];
  readonly spec?: { readonly template: { readonly spec: { readonly containers: readonly { args: string[] }[] } } };
}

const manifests = loadAll(
  /```yaml\n([^]*?)```/.exec(read('docs/getting-started.md'))?.[1] ?? '',
) as readonly Manifest[];
const find = (kind: string): Manifest | undefined => manifests.find((manifest) => manifest.kind === kind);

test.each(PAGES)('every flag that %s names exists', (page) => {
  const known = new Set([...COMMANDS.flatMap(({ flags }) => namesOf(flags)), ...OTHER_FLAGS]);
  const named = [...read(page).matchAll(/`[^`\n]*?--([a-z-]+)/g)].map(([, name = '']) => name);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

test('the ClusterRole of docs/getting-started.md is the smallest one for its volunteer', () => {
  const rules = listRules(createFieldSelection({ collect: ['nodes'] }).fields);

  expect(find('ClusterRole')?.rules).toHaveLength(rules.length);
  expect(find('ClusterRole')?.rules).toEqual(expect.arrayContaining(rules));
});

test('the Deployment of docs/getting-started.md runs the volunteer with flags that exist', async () => {
  const [command, ...args] = find('Deployment')?.spec?.template.spec.containers[0]?.args ?? [];

  expect(command).toBe('volunteer');
  for (const arg of args)
    expect(namesOf((await loadCommand('volunteer')).flags)).toContain(/^--([a-z-]+)=/.exec(arg)?.[1]);
});
