import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { findTestEngines } from './engines.ts';

/** The engine of a worker that has ended takes a moment to close. */
const CLOSE_TIMEOUT_MS = 5_000;

/**
 * For `globalSetup`: the test run fails if an embedded engine survives it. The run has a temporary directory of its own, which is removed at the
 * end, so that the engines of another run in the same checkout are not taken for its own.
 */
export async function setup(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-run-'));
  process.env['TMPDIR'] = directory;
  return async () => {
    const endsAtMs = Date.now() + CLOSE_TIMEOUT_MS;
    let left = await findTestEngines();
    while (left.length > 0 && Date.now() < endsAtMs) {
      await sleep(50);
      left = await findTestEngines();
    }
    await rm(directory, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`embedded engines still run after the tests: ${left.join(', ')}`);
  };
}
