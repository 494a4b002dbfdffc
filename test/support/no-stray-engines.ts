import { setTimeout as sleep } from 'node:timers/promises';
import { findTestEngines } from './engines.ts';

/** The engine of a worker that has ended takes a moment to close. */
const CLOSE_TIMEOUT_MS = 5_000;

/** For `globalSetup`: the test run fails if an embedded engine survives it. */
export async function setup(): Promise<() => Promise<void>> {
  const others = new Set(await findTestEngines());
  return async () => {
    const endsAtMs = Date.now() + CLOSE_TIMEOUT_MS;
    for (;;) {
      const left = (await findTestEngines()).filter((pid) => !others.has(pid));
      if (left.length === 0) return;
      if (Date.now() > endsAtMs) throw new Error(`embedded engines still run after the tests: ${left.join(', ')}`);
      await sleep(50);
    }
  };
}
