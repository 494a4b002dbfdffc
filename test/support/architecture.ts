import { posix } from 'node:path';
import { parseSync, Visitor } from 'vite';

/** What each part of src/ is built on: a file imports strictly lower ranks, or its own folder. docs/architecture.md explains. */
const RANKS: Readonly<Record<string, number>> = {
  gen: 0,
  report: 1,
  legacy: 2,
  store: 2,
  gather: 2,
  deliver: 2,
  ingest: 3,
  stats: 3,
  serve: 4,
  programs: 5,
  cli: 6,
  main: 7,
  // Runs in a browser, above gen alone: 0.5, so that nothing else is below it. Nothing imports it, see `importable`.
  dashboard: 0.5,
};

const MOST_LINES = 400;
const KUBERNETES_CLIENT = '@kubernetes/client-node';

interface Source {
  readonly lines: number;
  /** Every module that the file names: static and dynamic imports, types, and re-exports. */
  readonly imports: readonly string[];
  readonly callsProcessExit: boolean;
  readonly hasDefaultExport: boolean;
  readonly isBarrel: boolean;
}

/**
 * Holds files against the rules of the house.
 *
 * @param files text by path from the project's root, with slashes; those under src/ and test/
 * @returns one line per violation, in the order of the files; none where all is well
 */
export function findViolations(files: ReadonlyMap<string, string>): string[] {
  const sources = new Map([...files].map(([path, text]) => [path, readSource(path, text)]));
  return [...[...sources].flatMap(([path, source]) => violationsOf(path, source)), ...findCycles(sources)];
}

function violationsOf(path: string, source: Source): string[] {
  const violations: string[] = [];
  if (source.lines > MOST_LINES) violations.push(`${path} has ${source.lines} lines, more than ${MOST_LINES}`);
  if (source.hasDefaultExport) violations.push(`${path} has a default export`);
  if (source.isBarrel) violations.push(`${path} is a barrel`);
  if (!path.startsWith('src/')) return violations;

  if (source.callsProcessExit && path !== 'src/main.ts') violations.push(`${path} calls process.exit, which only src/main.ts may`);
  if (source.imports.includes(KUBERNETES_CLIENT) && path !== 'src/gather/kube.ts')
    violations.push(`${path} imports ${KUBERNETES_CLIENT}, which only src/gather/kube.ts may`);

  const part = partOf(path);
  const rank = RANKS[part];
  if (rank === undefined) return [...violations, `${path} is in a part without a rank: ${part}`];
  for (const target of source.imports.filter(isRelative).map((specifier) => resolve(path, specifier))) {
    // What the package says of itself is no part: the program's version comes from there.
    if (target === 'package.json') continue;
    const targetPart = partOf(target);
    if (targetPart === part && part !== 'programs') continue;
    const targetRank = RANKS[targetPart];
    if (targetRank === undefined || targetPart === 'dashboard') violations.push(`${path} imports ${target}, which no other part may`);
    else if (targetRank >= rank) violations.push(`${path} (${part}, rank ${rank}) imports ${target} (${targetPart}, rank ${targetRank})`);
  }
  return violations;
}

/** The part that a path is of: its folder in src/, `programs` or `main` for a file right in src/, else the first folder. */
function partOf(path: string): string {
  const [first = '', second = '', third] = path.split('/');
  if (first !== 'src') return first;
  if (third !== undefined) return second;
  return second === 'main.ts' ? 'main' : 'programs';
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
    const targets = sources.get(path)?.imports.filter(isRelative).map((specifier) => resolve(path, specifier)) ?? [];
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
        callsProcessExit ||= node.specifiers.some((each) => each.type === 'ImportSpecifier' && 'name' in each.imported && each.imported.name === 'exit');
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
      callsProcessExit ||= node.object.type === 'Identifier' && node.object.name === 'process' && 'name' in node.property && node.property.name === 'exit';
    },
  }).visit(program);
  const onlyPassesOn =
    program.body.length > 0 &&
    program.body.every((node) => node.type === 'ImportDeclaration' || (node.type === 'ExportNamedDeclaration' && node.declaration === null));
  return {
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    imports,
    callsProcessExit,
    hasDefaultExport,
    isBarrel: hasStarExport || posix.basename(path) === 'index.ts' || (onlyPassesOn && program.body.some(({ type }) => type === 'ExportNamedDeclaration')),
  };
}
