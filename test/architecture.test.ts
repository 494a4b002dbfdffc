import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { findViolations } from './support/architecture.ts';

const root = join(import.meta.dirname, '..');

function readTree(): Map<string, string> {
  const paths = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(
      (path) => `${folder}/${path.replaceAll('\\', '/')}`,
    ),
  );
  return new Map(
    paths
      .filter((path) => /\.[cm]?tsx?$/.test(path))
      .toSorted()
      .map((path) => [path, readFileSync(join(root, path), 'utf8')]),
  );
}

const readRoot = (path: string): readonly [string, string] => [path, readFileSync(join(root, path), 'utf8')];

function violations(files: Record<string, string>): string[] {
  return findViolations(new Map(Object.entries(files)));
}

test('the source files follow the rules of docs/architecture.md', () => {
  const files = readTree();
  expect(files.has('src/collector/collector.ts')).toBe(true);
  expect(findViolations(files)).toEqual([]);
});

test('no test is repeated when it fails, which hides a failure in two runs of three', () => {
  const files = [...readTree(), ...['vitest.config.ts', 'vitest.soak.config.ts', 'package.json'].map(readRoot)];
  const repeated = files.filter(([, text]) => /\bretry: *(?:[1-9]|\{)|-{2}retry\b/.test(text));

  expect(files.length).toBeGreaterThan(500);
  expect(repeated.map(([path]) => path)).toStrictEqual([]);
});

test.each([
  ['a static import', `import { open } from '../delivery/open-sink.ts';`],
  ['a side effect', `import '../delivery/open-sink.ts';`],
  ['a type', `import type { Sink } from '../delivery/open-sink.ts';`],
  ['a type in place', `export type Sink = import('../delivery/open-sink.ts').Sink;`],
  ['a dynamic import', `export const load = () => import('../delivery/open-sink.ts');`],
  ['a re-export', `export { open } from '../delivery/open-sink.ts';\nexport const one = 1;`],
])('a lower part imports no higher one: %s', (_, text) => {
  expect(violations({ 'src/report/a.ts': text })).toEqual([
    'src/report/a.ts (src/report) must not import src/delivery/open-sink.ts (src/delivery)',
  ]);
});

test('a part imports the parts below it, and its own files', () => {
  expect(
    violations({
      'src/collector/store/a.ts': `import '../../report/report-sink.ts'; import '../../../gen/x_pb.js'; import './b.ts'; import 'mongodb';`,
      'src/main.ts': `import './cli/a.ts'; process.exit(0);`,
    }),
  ).toEqual([]);
});

test('the collector and the volunteer never import each other', () => {
  expect(
    violations({
      'src/collector/collector.ts': `import '../volunteer/volunteer.ts';`,
      'src/volunteer/volunteer.ts': `import '../collector/store/open.ts';`,
    }),
  ).toEqual([
    'src/collector/collector.ts (src/collector) must not import src/volunteer/volunteer.ts (src/volunteer)',
    'src/volunteer/volunteer.ts (src/volunteer) must not import src/collector/store/open.ts (src/collector/store)',
  ]);
});

test('the parts of the collector import downwards only', () => {
  expect(
    violations({
      'src/collector/ingest/a.ts': `import '../serve/b.ts';`,
      'src/collector/serve/a.ts': `import '../ingest/b.ts';`,
    }),
  ).toEqual([
    'src/collector/ingest/a.ts (src/collector/ingest) must not import src/collector/serve/b.ts (src/collector/serve)',
  ]);
});

test('a new part needs a line in the table, and src/ imports nothing from test/', () => {
  expect(violations({ 'src/helpers/a.ts': '', 'src/delivery/b.ts': `import '../../test/support/x.ts';` })).toEqual([
    'src/helpers/a.ts belongs to no part',
    'src/delivery/b.ts (src/delivery) must not import test/support/x.ts',
  ]);
});

test('there are no cycles, in one folder or across', () => {
  const files = {
    'src/report/a.ts': `import './b.ts';`,
    'src/report/b.ts': `import type { C } from './c.ts';`,
    'src/report/c.ts': `import './a.ts';`,
  };
  expect(violations(files)).toEqual([
    'cycle: src/report/a.ts -> src/report/b.ts -> src/report/c.ts -> src/report/a.ts',
  ]);
});

test('no file is longer than 400 lines', () => {
  expect(violations({ 'test/a.test.ts': '// line\n'.repeat(400), 'test/b.test.ts': '// line\n'.repeat(401) })).toEqual([
    'test/b.test.ts has 401 lines, more than 400',
  ]);
});

test('only kubernetes/client.ts imports the Kubernetes client', () => {
  const text = `import type { KubeConfig } from '@kubernetes/client-node';`;
  expect(violations({ 'src/kubernetes/client.ts': text, 'src/kubernetes/pages.ts': text })).toEqual([
    'src/kubernetes/pages.ts imports @kubernetes/client-node, which only src/kubernetes/client.ts may',
  ]);
});

test.each(['process.exit(1);', `import { exit } from 'node:process'; exit(1);`])(
  'only main.ts ends the process: %s',
  (text) => {
    expect(violations({ 'src/main.ts': text, 'src/cli/agent.ts': text })).toEqual([
      'src/cli/agent.ts calls process.exit, which only src/main.ts may',
    ]);
  },
);

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
