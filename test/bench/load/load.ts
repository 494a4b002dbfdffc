import type { LoadResult } from '../rounds.ts';

/** What a load generator sends for some seconds. */
export interface LoadRequest {
  readonly protocol: 'http1' | 'unary' | 'stream';
  readonly port: number;
  readonly connections: number;
  /** Of HTTP/2: calls, or messages of a stream, that wait for an answer on each connection. */
  readonly inFlight?: number;
  readonly nodes: number;
  readonly seconds: number;
  /** Requests a second, whether or not they are answered (an open loop); absent: the next one follows an answer. */
  readonly offered?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the server rejects the requests. */
  readonly isRejected?: boolean;
}

/** One open connection of a load generator. */
export interface LoadConnection {
  /** How many more requests it can send now. */
  room(): number;
  /** Sends one; `onAnswer` is called once it is answered. Nothing is written before `flush`. */
  send(onAnswer: (succeeded: boolean) => void): void;
  flush(): void;
  /** Resolves once the connection is closed; of a stream, after its end. */
  close(): Promise<void>;
}

const MOST_LATENCIES = 1_000_000;
const TICK_MS = 1;

/** Drives connections for some seconds, and resolves once all requests are answered. */
export async function drive(
  connections: readonly LoadConnection[],
  { seconds, offered }: Pick<LoadRequest, 'seconds' | 'offered'>,
): Promise<LoadResult> {
  const latencies = new Float64Array(MOST_LATENCIES);
  let [answered, succeeded, sent] = [0, 0, 0];
  const startedAt = performance.now();
  const endsAt = startedAt + seconds * 1000;
  let lastAt = startedAt;
  const done = Promise.withResolvers<void>();
  const changed = new Set(connections);
  /** When the requests of an open loop are due: they wait for a connection, and their latency counts from then (no coordinated omission). */
  const dueTimes: number[] = [];

  const sendOn = (connection: LoadConnection, dueAt: number): void => {
    sent += 1;
    connection.send((ok) => {
      lastAt = performance.now();
      latencies[answered % MOST_LATENCIES] = lastAt - dueAt;
      answered += 1;
      if (ok) succeeded += 1;
      changed.add(connection);
      schedule();
    });
  };
  /** Sends on the connections that have room. */
  const work = (): void => {
    isScheduled = false;
    const now = performance.now();
    if (now >= endsAt) {
      if (answered === sent) done.resolve();
      return;
    }
    for (const connection of changed) {
      for (let room = connection.room(); room > 0; room -= 1) {
        if (offered === undefined) sendOn(connection, now);
        else {
          const dueAt = dueTimes[sent];
          if (dueAt === undefined) break;
          sendOn(connection, dueAt);
        }
      }
      if (connection.room() === 0) changed.delete(connection);
      connection.flush();
    }
  };
  let isScheduled = false;
  /** Answers that come together are followed by requests that go together. */
  const schedule = (): void => {
    if (isScheduled) return;
    isScheduled = true;
    queueMicrotask(work);
  };
  const tick = (): void => {
    const now = performance.now();
    if (offered !== undefined && now < endsAt)
      while (dueTimes.length < ((now - startedAt) / 1000) * offered) dueTimes.push(now);
    schedule();
  };
  const timer = setInterval(tick, offered === undefined ? 100 * TICK_MS : TICK_MS);
  tick();
  await done.promise;
  clearInterval(timer);
  const kept = latencies.subarray(0, Math.min(answered, MOST_LATENCIES)).toSorted();
  const rank = (share: number): number => kept[Math.max(0, Math.ceil(kept.length * share) - 1)] ?? Number.NaN;
  return { answered, succeeded, seconds: (lastAt - startedAt) / 1000, p50: rank(0.5), p99: rank(0.99) };
}
