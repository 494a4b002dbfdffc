import { workerData } from 'node:worker_threads';
import { ATTACKS } from './attacks.ts';

/** Runs one attack to its end, in a thread. */
const { name, port, durationMs } = workerData as {
  readonly name: string;
  readonly port: number;
  readonly durationMs: number;
};
const endsAt = performance.now() + durationMs;
await ATTACKS.find((attack) => attack.name === name)?.run(port, () => performance.now() >= endsAt);
