/**
 * Puts each fault of faults.ts into a copy of the checkout, one at a time, and runs its test, which must fail. Prints a table.
 *
 * Usage: node test/mutation/run-faults.ts [TEXT]   only faults whose description, file or test has the text
 */
import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { Fault } from './fault.ts';
import { FAULTS } from './faults.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['src', 'test', 'gen', 'proto', 'docs', 'deploy', 'package.json', 'vitest.config.ts', 'tsconfig.json'];
const TIMEOUT_MS = 120_000;
/** Many faults make a test wait for ever. */
const TEST_TIMEOUT_MS = 20_000;

interface Result {
  readonly status: 'noticed' | 'MISSED' | 'GREEN TEST MISSING';
  /** The first test that failed. */
  readonly by: string;
}

async function main(): Promise<number> {
  const [text = ''] = process.argv.slice(2);
  const chosen = FAULTS.filter(({ fault, file, test }) => [fault, file, test].some((value) => value.includes(text)));
  const sandbox = await mkdtemp(path.join(tmpdir(), 'spartakus-faults-'));
  try {
    for (const name of COPIED) await cp(path.join(ROOT, name), path.join(sandbox, name), { recursive: true });
    await symlink(path.join(ROOT, 'node_modules'), path.join(sandbox, 'node_modules'));
    let missed = 0;
    process.stdout.write('| fault | test | |\n|---|---|---|\n');
    for (const fault of chosen) {
      const { status, by } = await tryFault(fault, sandbox);
      if (status !== 'noticed') missed += 1;
      process.stdout.write(`| ${fault.fault} | ${fault.test.slice('test/'.length)}: ${by} | ${status} |\n`);
    }
    process.stdout.write(`\n${chosen.length - missed} of ${chosen.length} faults were noticed.\n`);
    return missed === 0 ? 0 : 1;
  } finally {
    await rm(sandbox, { recursive: true });
  }
}

async function tryFault({ file, from, to, test }: Fault, sandbox: string): Promise<Result> {
  const target = path.join(sandbox, 'src', file);
  const source = await readFile(target, 'utf8');
  if (source.split(from).length !== 2) throw new Error(`src/${file} does not have this text exactly once: ${from}`);
  await writeFile(
    target,
    source.replace(from, () => to),
  );
  try {
    return await runTest(test, sandbox);
  } finally {
    await writeFile(target, source);
  }
}

async function temporaryIn(sandbox: string): Promise<string> {
  const temporary = path.join(sandbox, 'tmp');
  await mkdir(temporary, { recursive: true });
  return temporary;
}

async function runTest(test: string, sandbox: string): Promise<Result> {
  const report = path.join(sandbox, 'result.json');
  await rm(report, { force: true });
  const args = [
    'node_modules/vitest/vitest.mjs',
    'run',
    test,
    '--bail=1',
    '--maxWorkers=1',
    `--testTimeout=${TEST_TIMEOUT_MS}`,
  ];
  const child = spawn(process.execPath, [...args, '--reporter=json', `--outputFile=${report}`], {
    cwd: sandbox,
    env: {
      ...process.env,
      // Bundling the program takes longer than most of the tests.
      SPARTAKUS_TEST_PROGRAM: path.join(sandbox, 'src/main.ts'),
      // A fault can delete what it finds there: the collector removes what its predecessors left.
      TMPDIR: await temporaryIn(sandbox),
      // Removed with the sandbox, whose paths no other run has.
      NODE_COMPILE_CACHE: path.join(sandbox, 'compile-cache'),
    },
    stdio: 'ignore',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const [code] = await new Promise<[number | null]>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve([status]));
  });
  if (code === 0) return { status: 'MISSED', by: '' };
  const text = await readFile(report, 'utf8').catch(() => undefined);
  if (text === undefined) return { status: 'noticed', by: `does not end within ${TIMEOUT_MS / 1_000} s` };
  const { testResults } = JSON.parse(text) as {
    readonly testResults: readonly {
      readonly message: string;
      readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
    }[];
  };
  const failed = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .find(({ status }) => status === 'failed');
  if (failed !== undefined) return { status: 'noticed', by: failed.fullName };
  const [file] = testResults;
  const [by = ''] = file?.message.split('\n') ?? [];
  // Where tests ran, a hook failed after them; otherwise the file could not be loaded.
  return (file?.assertionResults ?? []).length === 0
    ? { status: 'GREEN TEST MISSING', by }
    : { status: 'noticed', by: by || 'a hook' };
}

process.exitCode = await main();
