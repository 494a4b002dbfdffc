import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { anchorsOf } from '../support/markdown.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const PAGES = globSync(['*.md', 'docs/**/*.md', 'deploy/**/*.md'], { cwd: ROOT }).toSorted();
/** Generated from the schema, the flags and measurements, with tables whose cells are as long as their text. */
const GENERATED = [
  'docs/configuration.md',
  'docs/performance.md',
  'docs/what-agents-collect.md',
  'docs/what-is-collected.md',
];
const MOST_COLUMNS = 120;
const MOST_README_LINES = 120;

const read = (page: string): string => readFileSync(path.join(ROOT, page), 'utf8');
const withoutCode = (text: string): string => text.replaceAll(/^```[^]*?^```/gm, '').replaceAll(/`[^`\n]+`/g, 'code');

test('the pages are found', () => {
  expect(PAGES).toEqual(expect.arrayContaining(['CONTRIBUTING.md', 'README.md', 'docs/architecture.md', ...GENERATED]));
});

test('the README is at most 120 lines long', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(MOST_README_LINES);
});

test.each(PAGES.filter((page) => !GENERATED.includes(page) && !page.startsWith('deploy/')))(
  '%s has no line wider than 120 columns',
  (page) => {
    const wide = read(page)
      .split('\n')
      .flatMap((line, index) => (line.length > MOST_COLUMNS ? [`${page}:${index + 1}: ${line}`] : []));
    expect(wide).toEqual([]);
  },
);

test.each(PAGES)('every relative link of %s leads to a file and a heading that exist', (page) => {
  const targets = [...withoutCode(read(page)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  const broken = targets
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [file = '', anchor] = target.split('#', 2);
      const linked = file === '' ? page : path.join(path.dirname(page), file);
      if (!existsSync(path.join(ROOT, linked))) return true;
      return anchor !== undefined && linked.endsWith('.md') && !anchorsOf(read(linked)).has(anchor);
    });
  expect(broken).toEqual([]);
});

test.each(PAGES)('every file of the repository that %s names exists', (page) => {
  const named = [...read(page).matchAll(/`((?:src|test|proto|gen|deploy|docs|\.ci)\/[\w./-]*\w\/?)`/g)];
  const missing = named.map(([, file = '']) => file).filter((file) => !existsSync(path.join(ROOT, file)));
  expect(missing).toEqual([]);
});

test('the index of the decisions lists every decision, in order', () => {
  const files = PAGES.filter((page) => /^docs\/decisions\/\d/.test(page)).map((page) => path.basename(page));
  const listed = [...read('docs/decisions/README.md').matchAll(/\]\(([^)]+)\)/g)].map(([, target]) => target);
  expect(listed).toEqual(files);
});
