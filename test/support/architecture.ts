import { posix } from 'node:path';
import { parseSync, Visitor } from 'vite';

const SHARED = ['gen', 'src/runtime', 'src/report'];
const COLLECTOR_PARTS = ['store', 'legacy', 'ingest', 'statistics', 'serve'].map((name) => `src/collector/${name}`);

/**
 * The parts of the program, each with the parts that it may import besides itself. A file belongs to the part with the longest
 * matching path. docs/architecture.md prints this table.
 */
export const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  gen: [],
  'src/runtime': [],
  'src/report': ['gen', 'src/runtime'],
  'src/kubernetes': SHARED,
  'src/delivery': SHARED,
  'src/volunteer': [...SHARED, 'src/kubernetes', 'src/delivery'],
  'src/kubermatic': [...SHARED, 'src/kubernetes', 'src/delivery', 'src/volunteer'],
  'src/collector/store': SHARED,
  'src/collector/legacy': SHARED,
  'src/collector/ingest': [...SHARED, ...COLLECTOR_PARTS.slice(0, 2)],
  'src/collector/statistics': [...SHARED, ...COLLECTOR_PARTS.slice(0, 3)],
  'src/collector/serve': [...SHARED, ...COLLECTOR_PARTS.slice(0, 4)],
  // Browser code: the built page is served as files, so no other part imports it.
  'src/collector/dashboard': ['gen'],
  'src/collector': [...SHARED, 'src/delivery', ...COLLECTOR_PARTS],
  'src/cli': [
    ...SHARED,
    'src/kubernetes',
    'src/delivery',
    'src/volunteer',
    'src/kubermatic',
    ...COLLECTOR_PARTS,
    'src/collector',
  ],
  'src/main.ts': ['src/runtime', 'src/cli'],
};

const MOST_LINES = 400;
const KUBERNETES_CLIENT = '@kubernetes/client-node';
const KUBERNETES_CLIENT_IMPORTER = 'src/kubernetes/client.ts';

interface Source {
  readonly lines: number;
  /** Every module that the file names: static and dynamic imports, types, and re-exports. */
  readonly imports: readonly string[];
  readonly callsProcessExit: boolean;
  readonly hasDefaultExport: boolean;
  readonly isBarrel: boolean;
}

/** Vitest takes the default export of its configuration and of a reporter. */
const LOADED_BY_VITEST = new Set([
  'test/fixtures/failing-run/vitest.config.ts',
  'test/mutation/vitest.config.ts',
  'test/support/count-reporter.ts',
]);

/**
 * Checks files against the rules of the project's structure.
 *
 * @param files text by path from the project's root, with slashes; those under src/ and test/
 * @returns one line per violation, in the order of the files; none where all rules hold
 */
export function findViolations(files: ReadonlyMap<string, string>): string[] {
  const sources = new Map([...files].map(([path, text]) => [path, readSource(path, text)]));
  return [...[...sources].flatMap(([path, source]) => violationsOf(path, source)), ...findCycles(sources)];
}

function violationsOf(path: string, source: Source): string[] {
  const violations: string[] = [];
  if (source.lines > MOST_LINES) violations.push(`${path} has ${source.lines} lines, more than ${MOST_LINES}`);
  if (source.hasDefaultExport && !LOADED_BY_VITEST.has(path)) violations.push(`${path} has a default export`);
  if (source.isBarrel) violations.push(`${path} is a barrel`);
  if (!path.startsWith('src/')) return violations;

  if (source.callsProcessExit && path !== 'src/main.ts')
    violations.push(`${path} calls process.exit, which only src/main.ts may`);
  if (source.imports.includes(KUBERNETES_CLIENT) && path !== KUBERNETES_CLIENT_IMPORTER)
    violations.push(`${path} imports ${KUBERNETES_CLIENT}, which only ${KUBERNETES_CLIENT_IMPORTER} may`);

  const part = partOf(path);
  if (part === undefined) return [...violations, `${path} belongs to no part`];
  for (const target of source.imports.filter(isRelative).map((specifier) => resolve(path, specifier))) {
    // The program's version is read from the package's own manifest.
    if (target === 'package.json') continue;
    const targetPart = partOf(target);
    if (targetPart === part || (targetPart !== undefined && ALLOWED_IMPORTS[part]?.includes(targetPart))) continue;
    violations.push(`${path} (${part}) must not import ${target}${targetPart === undefined ? '' : ` (${targetPart})`}`);
  }
  return violations;
}

/** The part that a path belongs to; undefined for files outside of the program, such as tests. */
function partOf(path: string): string | undefined {
  return Object.keys(ALLOWED_IMPORTS)
    .filter((part) => path === part || path.startsWith(`${part}/`))
    .toSorted((left, right) => right.length - left.length)[0];
}

function isRelative(specifier: string): boolean {
  return specifier.startsWith('.');
}

function resolve(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier);
}

/** Each cycle once, as the way round it. */
function findCycles(sources: ReadonlyMap<string, Source>): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, way: readonly string[]): void => {
    const start = way.indexOf(path);
    if (start !== -1) {
      cycles.push(`cycle: ${[...way.slice(start), path].join(' -> ')}`);
      return;
    }
    if (done.has(path)) return;
    const targets =
      sources
        .get(path)
        ?.imports.filter(isRelative)
        .map((specifier) => resolve(path, specifier)) ?? [];
    for (const target of new Set(targets)) visit(target, [...way, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return cycles;
}

function readSource(path: string, text: string): Source {
  const { program, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors.map(({ message }) => message).join('; ')}`);
  const imports: string[] = [];
  let callsProcessExit = false;
  let hasDefaultExport = false;
  let hasStarExport = false;
  new Visitor({
    ImportDeclaration: (node) => {
      imports.push(node.source.value);
      if (/^(node:)?process$/.test(node.source.value))
        callsProcessExit ||= node.specifiers.some(
          (each) => each.type === 'ImportSpecifier' && 'name' in each.imported && each.imported.name === 'exit',
        );
    },
    ExportNamedDeclaration: (node) => {
      if (node.source !== null) imports.push(node.source.value);
      hasDefaultExport ||= node.specifiers.some(({ exported }) => 'name' in exported && exported.name === 'default');
    },
    ExportAllDeclaration: (node) => {
      imports.push(node.source.value);
      hasStarExport = true;
    },
    ExportDefaultDeclaration: () => {
      hasDefaultExport = true;
    },
    ImportExpression: (node) => {
      // A computed name cannot be checked; there is none, and this keeps it so.
      if (node.source.type === 'Literal' && typeof node.source.value === 'string') imports.push(node.source.value);
      else throw new Error(`${path} imports a computed name`);
    },
    TSImportType: (node) => {
      imports.push(node.source.value);
    },
    MemberExpression: (node) => {
      callsProcessExit ||=
        node.object.type === 'Identifier' &&
        node.object.name === 'process' &&
        'name' in node.property &&
        node.property.name === 'exit';
    },
  }).visit(program);
  const onlyPassesOn =
    program.body.length > 0 &&
    program.body.every(
      (node) =>
        node.type === 'ImportDeclaration' || (node.type === 'ExportNamedDeclaration' && node.declaration === null),
    );
  return {
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    callsProcessExit,
    hasDefaultExport,
    isBarrel:
      hasStarExport ||
      posix.basename(path) === 'index.ts' ||
      (onlyPassesOn && program.body.some(({ type }) => type === 'ExportNamedDeclaration')),
  };
}
