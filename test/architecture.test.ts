import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findViolations } from './support/architecture.ts';

const root = join(import.meta.dirname, '..');

function readTree(): Map<string, string> {
  const paths = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path.replaceAll('\\', '/')}`),
  );
  return new Map(paths.filter((path) => /\.[cm]?tsx?$/.test(path)).toSorted().map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

function violations(files: Record<string, string>): string[] {
  return findViolations(new Map(Object.entries(files)));
}

test('the house keeps its rules', () => {
  const files = readTree();
  expect(files.has('src/report/ports.ts')).toBe(true);
  expect(findViolations(files)).toEqual([]);
});

test.each([
  ['a static import', `import { open } from '../store/open.ts';`],
  ['a side effect', `import '../store/open.ts';`],
  ['a type', `import type { Store } from '../store/open.ts';`],
  ['a type in place', `export type Store = import('../store/open.ts').Store;`],
  ['a dynamic import', `export const load = () => import('../store/open.ts');`],
  ['a re-export', `export { open } from '../store/open.ts';\nexport const one = 1;`],
])('a lower rank imports no higher one: %s', (_, text) => {
  expect(violations({ 'src/report/a.ts': text })).toEqual(['src/report/a.ts (report, rank 1) imports src/store/open.ts (store, rank 2)']);
});

test('a higher rank imports any lower one, and its own folder', () => {
  expect(
    violations({
      'src/store/a.ts': `import '../report/ports.ts'; import '../../gen/x_pb.js'; import './b.ts'; import 'mongodb';`,
      'src/main.ts': `import './cli/a.ts'; process.exit(0);`,
    }),
  ).toEqual([]);
});

test('siblings of one rank, and programs, never import each other', () => {
  expect(violations({ 'src/gather/a.ts': `import '../deliver/b.ts';`, 'src/agent.ts': `import './volunteer.ts';` })).toEqual([
    'src/gather/a.ts (gather, rank 2) imports src/deliver/b.ts (deliver, rank 2)',
    'src/agent.ts (programs, rank 5) imports src/volunteer.ts (programs, rank 5)',
  ]);
});

test('the dashboard imports gen alone, and nothing imports it', () => {
  const files = {
    'src/dashboard/a.ts': `import '../../gen/x_pb.js'; import './b.ts'; import '../report/ports.ts';`,
    'src/serve/a.ts': `import '../dashboard/a.ts';`,
  };
  expect(violations(files)).toEqual([
    'src/dashboard/a.ts (dashboard, rank 0.5) imports src/report/ports.ts (report, rank 1)',
    'src/serve/a.ts imports src/dashboard/a.ts, which no other part may',
  ]);
});

test('a new part needs a rank, and src/ imports nothing from test/', () => {
  expect(violations({ 'src/helpers/a.ts': '', 'src/serve/b.ts': `import '../../test/support/x.ts';` })).toEqual([
    'src/helpers/a.ts is in a part without a rank: helpers',
    'src/serve/b.ts imports test/support/x.ts, which no other part may',
  ]);
});

test('there are no cycles, in one folder or across', () => {
  const files = { 'src/report/a.ts': `import './b.ts';`, 'src/report/b.ts': `import type { C } from './c.ts';`, 'src/report/c.ts': `import './a.ts';` };
  expect(violations(files)).toEqual(['cycle: src/report/a.ts -> src/report/b.ts -> src/report/c.ts -> src/report/a.ts']);
});

test('no file is longer than 400 lines', () => {
  expect(violations({ 'test/a.test.ts': '// line\n'.repeat(400), 'test/b.test.ts': '// line\n'.repeat(401) })).toEqual([
    'test/b.test.ts has 401 lines, more than 400',
  ]);
});

test('only gather/kube.ts imports the Kubernetes client', () => {
  const text = `import type { KubeConfig } from '@kubernetes/client-node';`;
  expect(violations({ 'src/gather/kube.ts': text, 'src/gather/nodes.ts': text })).toEqual([
    'src/gather/nodes.ts imports @kubernetes/client-node, which only src/gather/kube.ts may',
  ]);
});

test.each(['process.exit(1);', `import { exit } from 'node:process'; exit(1);`])('only main.ts ends the process: %s', (text) => {
  expect(violations({ 'src/main.ts': text, 'src/agent.ts': text })).toEqual(['src/agent.ts calls process.exit, which only src/main.ts may']);
});

test('there are no default exports and no barrels', () => {
  const files = {
    'src/report/a.ts': 'export default 1;',
    'src/report/b.ts': 'const b = 1; export { b as default };',
    'src/report/c.ts': `export * from './x.ts';`,
    'src/report/d.ts': `import { d } from './x.ts'; export { d };`,
    'src/report/index.ts': 'export const one = 1;',
  };
  expect(violations(files)).toEqual([
    'src/report/a.ts has a default export',
    'src/report/b.ts has a default export',
    'src/report/c.ts is a barrel',
    'src/report/d.ts is a barrel',
    'src/report/index.ts is a barrel',
  ]);
});
