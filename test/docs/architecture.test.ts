import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { ALLOWED_IMPORTS } from '../support/architecture.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const page = readFileSync(path.join(ROOT, 'docs/architecture.md'), 'utf8');
const NAME_COLUMNS = 25;
const MOST_COLUMNS = 110;

/** The text between two comments of the page that name a block. */
function blockOf(name: string): string {
  return new RegExp(`<!-- ${name} -->\\n([^]*?)<!-- /${name} -->`).exec(page)?.[1] ?? `there is no block ${name}`;
}

/** ALLOWED_IMPORTS as text: a part, then the parts that it may import. Paths start at src/, but for gen/. */
function renderAllowedImports(): string {
  const lines = Object.entries(ALLOWED_IMPORTS).flatMap(([part, imports]) => {
    const rows: string[] = [''];
    for (const name of imports.map((target) => target.replace(/^src\//, ''))) {
      const last = rows.at(-1) ?? '';
      if (last !== '' && NAME_COLUMNS + last.length + 1 + name.length > MOST_COLUMNS) rows.push(name);
      else rows[rows.length - 1] = last === '' ? name : `${last} ${name}`;
    }
    return rows.map((row, index) => `${(index === 0 ? part : '').padEnd(NAME_COLUMNS)}${row}`.trimEnd());
  });
  return `\n\`\`\`\n${lines.join('\n')}\n\`\`\`\n\n`;
}

test('docs/architecture.md prints the table of allowed imports', () => {
  expect(blockOf('allowed imports')).toBe(renderAllowedImports());
});

test('the source files that docs/architecture.md lists for the way of a report exist', () => {
  const files = [...blockOf('files').matchAll(/\b[\w/-]+\.ts\b/g)].map(([file]) => `src/${file}`);

  expect(files.length).toBeGreaterThan(30);
  expect(files.filter((file) => !existsSync(path.join(ROOT, file)))).toEqual([]);
});

test('docs/architecture.md gives a reason for every dependency', () => {
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(
    readFileSync(path.join(ROOT, 'package.json'), 'utf8'),
  ) as Readonly<Record<string, Readonly<Record<string, string>>>>;
  const names = Object.keys({ ...dependencies, ...devDependencies, ...optionalDependencies });
  const table = page.slice(page.indexOf('## Dependencies'));
  const listed = [...table.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    cell.split(', ').map((name) => name.replaceAll('`', '')),
  );

  expect(listed.toSorted()).toEqual(names.toSorted());
});
