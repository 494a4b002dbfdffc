import type { Outcome } from '../../report/report-sink.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { createPending } from '../../runtime/pending.ts';
import type { ClientCredentials } from '../client-credentials.ts';

export interface TransportOptions {
  /** The deadline of one request or stream, in milliseconds (default: one minute). */
  readonly timeoutMs?: number;
  readonly credentials?: ClientCredentials;
  /** The environment with the proxy variables; see proxy.ts. */
  readonly env?: NodeJS.ProcessEnv;
  /** Cancels requests in progress; their reports fail as `unavailable`. */
  readonly signal?: AbortSignal;
}

export const DEFAULT_TIMEOUT_MS = 60_000;

interface SinkOptions<Batch> {
  /** Where it rejects, every item of the batch fails with that error. */
  readonly send: (batch: Batch) => Promise<readonly Outcome[]>;
  readonly count: (batch: Batch) => number;
  readonly close: () => void;
}

/** Implements the sinks of report/report-sink.ts. After close() every item fails as `unavailable`. */
export function createSink<Batch>({ send, count, close }: SinkOptions<Batch>) {
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
    put: (batch: Batch): Promise<readonly Outcome[]> => pending.add(put(batch)),
    close: async (): Promise<void> => {
      closed = true;
      await pending.settled();
      close();
    },
  };
}
