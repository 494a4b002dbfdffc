import type { Outcome } from '../../report/report-sink.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { createPending } from '../../runtime/pending.ts';
import type { ClientCredentials } from '../client-credentials.ts';

/** The options of every transport to a collector. */
export interface TransportOptions {
  /** The deadline of one request or stream, in milliseconds (default: one minute). */
  readonly timeoutMs?: number;
  readonly credentials?: ClientCredentials;
  /** The environment that names proxies; see proxy.ts. */
  readonly env?: NodeJS.ProcessEnv;
  /** Cancels requests in progress: their reports fail as `unavailable`. */
  readonly signal?: AbortSignal;
}

export const DEFAULT_TIMEOUT_MS = 60_000;

export interface SinkOptions<Batch> {
  /** Sends a batch. Where it rejects, every item of the batch fails with that error. */
  readonly send: (batch: Batch) => Promise<readonly Outcome[]>;
  readonly count: (batch: Batch) => number;
  readonly close: () => void;
}

/** A sink as report/report-sink.ts has them. After close() every item fails as `unavailable`. */
export interface Sink<Batch> {
  put(batch: Batch): Promise<readonly Outcome[]>;
  close(): Promise<void>;
}

export function createSink<Batch>({ send, count, close }: SinkOptions<Batch>): Sink<Batch> {
  const pending = createPending();
  let closed = false;
  const put = async (batch: Batch): Promise<readonly Outcome[]> => {
    try {
      if (closed) throw new SpartakusError('unavailable', 'The connection to the collector is closed.');
      return await send(batch);
    } catch (thrown) {
      const error = SpartakusError.from(thrown);
      return Array.from({ length: count(batch) }, () => ({ status: 'failed', error }));
    }
  };
  return {
    put: (batch) => pending.add(put(batch)),
    close: async () => {
      closed = true;
      await pending.settled();
      close();
    },
  };
}
