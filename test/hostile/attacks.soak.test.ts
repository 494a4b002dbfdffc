import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Attacker, startAttackedCollector, startAttacker, submitDuring } from '../support/attacked-collector.ts';
import type { CollectorProgram } from '../support/collector-program.ts';
import { peakResidentMiB, residentMiB } from '../support/resident-memory.ts';
import { ATTACKS } from './attacks.ts';

const ATTACK_MS = 800;
const WARM_UP_MS = 300;
/** How much the memory of a collector may grow during an attack, in MiB. */
const MAX_GROWTH_MIB = 32;
/** Below it a doubled response time is noise of the machine. */
const P99_FLOOR_MS = 100;

let collector: CollectorProgram;
let attacker: Attacker;
let quietP99: number;

const p99 = (waits: readonly number[]): number =>
  waits.toSorted((left, right) => left - right)[Math.floor(waits.length * 0.99)] ?? Number.POSITIVE_INFINITY;

beforeAll(async () => {
  attacker = startAttacker();
  collector = await startAttackedCollector();
  // Warms up: Node.js takes memory in the first attack of each kind, and keeps it (docs/reliability.md).
  for (const { name } of ATTACKS) await attacker.run({ name, port: collector.port, durationMs: WARM_UP_MS, share: 1 });
  await submitDuring(collector.url, () => sleep(1_500));
  quietP99 = p99(await submitDuring(collector.url, () => sleep(1_000)));
});

afterAll(async () => {
  await attacker.close();
  await collector.stop();
});

test.runIf(process.platform === 'linux').each(ATTACKS)(
  'the memory of the collector and the response times of other clients stay bounded during: $name',
  async ({ name }) => {
    const { pid } = collector.process;
    const before = await residentMiB(pid);
    let waits: readonly number[] = [];
    const most = await peakResidentMiB(pid, async () => {
      waits = await submitDuring(collector.url, () =>
        Promise.all([attacker.run({ name, port: collector.port, durationMs: ATTACK_MS, share: 1 }), sleep(ATTACK_MS)]),
      );
    });

    process.stdout.write(
      `attack: ${name}: +${(most - before).toFixed(0)} MiB, p99 ${quietP99.toFixed(0)} -> ${p99(waits).toFixed(0)} ms\n`,
    );
    expect(most - before).toBeLessThan(MAX_GROWTH_MIB);
    expect(p99(waits)).toBeLessThan(Math.max(2 * quietP99, P99_FLOOR_MS));
  },
);
