import { expect } from 'vitest';

const HELD = /^spartakus_collector_(request_memory_bytes|pending_reports|pending_bytes) (\d+)$/gm;

/** What the requests of a collector hold, as its metrics say. */
export async function readHeld(consoleUrl: string | undefined): Promise<Readonly<Record<string, number>>> {
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
