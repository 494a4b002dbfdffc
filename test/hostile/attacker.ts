import { parentPort } from 'node:worker_threads';
import { ATTACKS } from './attacks.ts';

/** An attack, by its name in ATTACKS, on a port of 127.0.0.1. */
export interface AttackRequest {
  readonly name: string;
  readonly port: number;
  readonly durationMs: number;
  /** See Attack. */
  readonly share: number;
}

/** Runs one attack for each message, in a thread, and sends the name of the attack when it has ended. */
parentPort?.on('message', ({ name, port, durationMs, share }: AttackRequest) => {
  const endsAt = performance.now() + durationMs;
  const attack = ATTACKS.find((each) => each.name === name);
  if (attack === undefined) throw new Error(`there is no attack "${name}"`);
  void attack.run(port, () => performance.now() >= endsAt, share).then(() => parentPort?.postMessage(name, []));
});
