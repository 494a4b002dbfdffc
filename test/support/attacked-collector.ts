import { once } from 'node:events';
import http2 from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { AttackRequest } from '../hostile/attacker.ts';
import { type CollectorProgram, startCollectorProgram } from './collector-program.ts';
import { PROGRAM } from './program.ts';
import { submit } from './raw-grpc.ts';

const COLLECT_ON_SIGNAL = fileURLToPath(new URL('collect-on-signal.ts', import.meta.url));

/**
 * Starts a collector with the defaults, which collects garbage for residentMiBWithoutGarbage, but without the limits for the address of well-behaved clients, 127.0.0.1, and for their cluster. Most
 * attacks come from there too; those of pickStranger have the limits of any address.
 */
export function startAttackedCollector(): Promise<CollectorProgram> {
  const args = ['--database=stdout', '--trusted-proxies=127.0.0.1/32', '--max-cluster-rate=0', '--max-new-clusters=0'];
  return startCollectorProgram(args, {}, ['--import', COLLECT_ON_SIGNAL, PROGRAM]);
}

/** The memory that an attacked collector has in RAM once nothing is left to free, in MiB. */
export async function residentMiBWithoutGarbage({ process: child }: CollectorProgram): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  let printed = '';
  const look = (chunk: Buffer): void => {
    printed += chunk.toString();
    const bytes = /\{"residentBytes":(\d+)\}\n/.exec(printed)?.[1];
    if (bytes !== undefined) resolve(Number(bytes) / 2 ** 20);
  };
  child.stderr?.on('data', look);
  try {
    child.kill('SIGUSR2');
    return await promise;
  } finally {
    child.stderr?.off('data', look);
  }
}

/** A thread that attacks: its CPU time delays the other clients as little as possible. */
export interface Attacker {
  /** Runs one attack of test/hostile/attacks.ts to its end. */
  run(request: AttackRequest): Promise<void>;
  close(): Promise<void>;
}

export function startAttacker(): Attacker {
  const worker = new Worker(new URL('../hostile/attacker.ts', import.meta.url));
  return {
    async run(request) {
      // Rejects where the thread fails.
      const ended = once(worker, 'message');
      worker.postMessage(request, []);
      await ended;
    },
    close: async () => void (await worker.terminate()),
  };
}

/**
 * Submits one report after the other by gRPC until `work` resolves.
 *
 * @returns how long each took, in milliseconds
 * @throws Error where one is not stored
 */
export async function submitDuring(url: string, work: () => Promise<unknown>): Promise<readonly number[]> {
  const session = http2.connect(url);
  const waits: number[] = [];
  let running = true;
  const submitting = (async () => {
    do {
      const start = performance.now();
      const { 'grpc-status': status } = await submit(session);
      if (status !== '0') throw new Error(`a report was answered with grpc-status ${String(status)}`);
      waits.push(performance.now() - start);
      await sleep(5);
    } while (running);
  })();
  await Promise.all([work().finally(() => (running = false)), submitting]);
  session.close();
  return waits;
}
