import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Attacker,
  residentMiBWithoutGarbage,
  startAttackedCollector,
  startAttacker,
  submitDuring,
} from '../support/attacked-collector.ts';
import type { CollectorProgram } from '../support/collector-program.ts';
import { ATTACKS } from './attacks.ts';

const ATTACK_MS = 800;
const WARM_UP_MS = 300;
/** Quiet times and attacks take turns, and the turn in the middle counts: what else the machine does delays requests of both, and not always. */
const TURNS = 5;
const QUIET_MS = 400;
/** Between two measurements of memory. */
const PAUSE_MS = 50;
/** How much the memory of a collector may grow during an attack, in MiB, without garbage: how much of that there is depends on the machine. */
const MAX_GROWTH_MIB = 32;
/** Below it a doubled response time is noise of the machine, on one that does nothing else. */
const P99_FLOOR_MS = 100;
const CALIBRATION_MS = 30;

let collector: CollectorProgram;
let attacker: Attacker;

const p99 = (waits: readonly number[]): number =>
  waits.toSorted((left, right) => left - right)[Math.floor(waits.length * 0.99)] ?? Number.POSITIVE_INFINITY;

beforeAll(async () => {
  attacker = startAttacker();
  collector = await startAttackedCollector();
  // Warms up: Node.js takes memory in the first attack of each kind, and keeps it (docs/reliability.md).
  for (const { name } of ATTACKS) await attacker.run({ name, port: collector.port, durationMs: WARM_UP_MS, share: 1 });
  await submitDuring(collector.url, () => sleep(1_500));
}, 300_000);

afterAll(async () => {
  await attacker.close();
  await collector.stop();
});

const attack = (name: string): Promise<unknown> =>
  Promise.all([attacker.run({ name, port: collector.port, durationMs: ATTACK_MS, share: 1 }), sleep(ATTACK_MS)]);

/** How many times longer computing takes than on a machine that does nothing else: 1 there. */
function measureSlowness(): number {
  const start = performance.now();
  const before = process.threadCpuUsage();
  const usedMs = (): number => {
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / 1_000;
  };
  while (usedMs() < CALIBRATION_MS);
  return Math.max(1, (performance.now() - start) / usedMs());
}

test.each(ATTACKS)('the response times of other clients stay bounded during: $name', async ({ name }) => {
  const turns: { readonly quietMs: number; readonly attackedMs: number; readonly share: number }[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    const quietMs = p99(await submitDuring(collector.url, () => sleep(QUIET_MS)));
    const floorMs = P99_FLOOR_MS * measureSlowness();
    const attackedMs = p99(await submitDuring(collector.url, () => attack(name)));
    turns.push({ quietMs, attackedMs, share: attackedMs / Math.max(2 * quietMs, floorMs) });
  }

  const texts = turns.map(({ quietMs, attackedMs }) => `${quietMs.toFixed(0)} -> ${attackedMs.toFixed(0)} ms`);
  const shares = turns.map(({ share }) => share).toSorted((left, right) => left - right);
  process.stdout.write(
    `attack: ${name}: p99 ${texts.join(', ')}; ${shares.map((share) => share.toFixed(2)).join(' ')}\n`,
  );
  expect(shares[Math.floor(TURNS / 2)]).toBeLessThan(1);
});

test.runIf(process.platform === 'linux').each(ATTACKS)(
  'the memory of the collector stays bounded during: $name',
  async ({ name }) => {
    const before = await residentMiBWithoutGarbage(collector);
    let attacks = true;
    const attacking = submitDuring(collector.url, () => attack(name)).finally(() => (attacks = false));
    let most = 0;
    do {
      most = Math.max(most, await residentMiBWithoutGarbage(collector));
      await sleep(PAUSE_MS);
    } while (attacks);
    await attacking;

    process.stdout.write(`attack: ${name}: +${(most - before).toFixed(0)} MiB\n`);
    expect(most - before).toBeLessThan(MAX_GROWTH_MIB);
  },
);
