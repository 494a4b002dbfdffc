import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { afterEach, beforeEach, expect, test } from 'vitest';

const FIXTURE = 'test/fixtures/failing-run';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'spartakus-counts-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** Runs test files of the fixture as CI does, and returns the exit code and the last line of CI. */
async function runTests(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<readonly [unknown, string]> {
  const file = path.join(directory, 'counts');
  // The variables of Vitest's own workers are not for another run.
  const { PATH, HOME } = process.env;
  const child = spawn('bash', ['.ci/tests.sh', file, `--config=${FIXTURE}/vitest.config.ts`, ...args], {
    env: { PATH, HOME, ...env },
    stdio: 'ignore',
  });
  const [code] = (await once(child, 'exit')) as unknown[];
  return [code, await readFile(file, 'utf8')];
}

test('the count of CI has a test that fails, a file that does not load, a hook that fails and an unhandled rejection', async () => {
  const files = ['passes', 'fails', 'does-not-load', 'bad-hook', 'rejects'];

  await expect(runTests(files)).resolves.toStrictEqual([1, '3 passed, 4 failed\n']);
});

test('the count of CI has a run without a test file', async () => {
  await expect(runTests(['no-such-file'])).resolves.toStrictEqual([1, '0 passed, 1 failed\n']);
});

test('the count of CI has a run that fails after its tests', async () => {
  await expect(runTests(['passes'], { FAILING_TEARDOWN: '1' })).resolves.toStrictEqual([1, '1 passed, 1 failed\n']);
});

test('the count of CI has a worker that is killed, its test file, and the files that it would have run', async () => {
  const [code, counts] = await runTests(['killed', 'passes']);

  expect(code).toBe(1);
  // Which of the two files is run first is not fixed.
  expect(counts).toMatch(/^(?:0 passed, 3|1 passed, 2) failed\n$/);
});
