import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { plotsOf, replaceFigures } from '../bench/page.ts';
import { readResults } from '../bench/results.ts';

const DOCS = path.join(import.meta.dirname, '../../docs');
const read = (file: string): string => readFileSync(path.join(DOCS, file), 'utf8');

// If it fails: npm run bench -- --render
test('the page and the plots of the performance show the figures of the last run that was kept', async () => {
  const results = await readResults();
  const page = read('performance.md');

  expect(page).toBe(replaceFigures(page, results));
  expect(plotsOf(results.cases).map(({ file }) => read(file))).toStrictEqual(
    plotsOf(results.cases).map(({ svg }) => svg),
  );
});
