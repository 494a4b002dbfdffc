import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';

const HELD = /^spartakus_collector_(request_memory_bytes|pending_reports|pending_bytes) (\d+)$/gm;
/** What does not end by itself, in the names of process.getActiveResourcesInfo(). */
const RESOURCES = new Set([
  'FSEventWrap',
  'MessagePort',
  'PipeWrap',
  'ProcessWrap',
  'StatWatcher',
  'TCPServerWrap',
  'TCPSocketWrap',
  'TLSWrap',
  'Timeout',
]);
/** Less than the timeouts of stores, requests and idle connections, which must not be waited for. */
const RELEASE_TIMEOUT_MS = 5_000;

type Held = Readonly<Record<string, number>>;

/** What the requests of a collector hold, as its metrics say. */
export async function readHeld(consoleUrl: string | undefined): Promise<Held> {
  const response = await fetch(`${consoleUrl}/metrics`);
  const found = [...(await response.text()).matchAll(HELD)];
  const held: Record<string, number> = {};
  for (const [, name = '', value] of found) held[name] = Number(value);
  return held;
}

/** Waits until a collector has given back all that requests held. */
export async function expectNothingHeld(consoleUrl: string | undefined): Promise<void> {
  await expect
    .poll(() => readHeld(consoleUrl), { timeout: 5_000 })
    .toStrictEqual({ request_memory_bytes: 0, pending_reports: 0, pending_bytes: 0 });
}

/** The timers, sockets, servers, watched files and child processes of this process or thread, and the listeners of its events. */
function readResources(): Held {
  const counts: Record<string, number> = {};
  for (const type of process.getActiveResourcesInfo()) if (RESOURCES.has(type)) counts[type] = (counts[type] ?? 0) + 1;
  for (const event of process.eventNames()) counts[`listeners of ${String(event)}`] = process.listenerCount(event);
  return counts;
}

/**
 * After all tests of the file or group that calls this, and the hooks that follow the call, nothing more is open than before: timers,
 * connections, servers, watched files, child processes, and listeners of the process.
 */
export function expectNothingLeftOpen(): void {
  let before: Held = {};
  beforeAll(() => {
    before = readResources();
  });
  // Vitest calls these hooks in reverse order.
  afterAll(async () => {
    const endsAtMs = Date.now() + RELEASE_TIMEOUT_MS;
    for (;;) {
      const left = Object.entries(readResources()).filter(([name, count]) => count > (before[name] ?? 0));
      if (left.length === 0) return;
      if (Date.now() > endsAtMs) throw new Error(`still open after the tests: ${JSON.stringify(left)}`);
      await sleep(20);
    }
  });
}
