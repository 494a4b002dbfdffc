import { Worker } from 'node:worker_threads';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import { messageOf, SpartakusError } from '../../../runtime/errors.ts';
import type { Admission } from '../admission/admission.ts';
import { estimateMemory, type MemoryReservation } from '../admission/memory-limiter.ts';
import type { Decoded, DecodeJob, DecodeOptions } from './decode-message.ts';
import { fromReply, type Reply, transferable } from './worker-protocol.ts';

/** Larger messages, after decompression, are decoded in a thread: on the event loop, 8 MiB take half a second. */
export const LARGE_MESSAGE_BYTES = 256 * 1024;

export interface LargeMessage {
  readonly job: DecodeJob;
  readonly origin: RequestOrigin;
  /** Changed to what the message takes at each step; the caller ends it. */
  readonly reservation: MemoryReservation;
  /** A message that waits is dropped when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** Decodes large messages in a thread, the next one when the last is answered: no more than one is in memory, or written, at a time. */
export interface LargeDecoder {
  /**
   * The message has its turn until its reservation ends.
   *
   * @throws SpartakusError: of the message; `overloaded` where too many wait; `rate-limited` where the address has sent too much meanwhile;
   * `too-large` where the thread has not enough memory; `internal` where the thread ends otherwise
   */
  decode(message: LargeMessage): Promise<Decoded>;
  close(): Promise<void>;
}

interface LargeDecoderOptions extends DecodeOptions {
  readonly admission: Pick<Admission, 'chargeBytes' | 'rejectIfInDebt'>;
  /** The program of the thread; tests set another. */
  readonly program?: URL;
  readonly maxHeapMiB?: number;
  readonly idleMs?: number;
  readonly maxJobMs?: number;
}

/** Messages that wait for the thread. They are compressed, where the client compresses. */
const MAX_WAITING = 64;
/** So that one client does not take all places. */
const MAX_WAITING_PER_ADDRESS = 16;
const RETRY_AFTER_MS = 5_000;
/** After it the thread ends, and its memory is free. */
const IDLE_MS = 5_000;
/** Many times what the largest message takes. */
const MAX_JOB_MS = 30_000;
/** JSON of 16 MiB takes half of it. */
const MAX_HEAP_MIB = 256;
/** For short-lived objects; more of it is no faster here. */
const YOUNG_MIB = 4;
/** Until its document is stored: itself, and in the driver's message. */
const DOCUMENT_COPIES = 2;

/** Bundled, the program is a file beside this one: vite.config.ts. */
const PROGRAM = `./decode-worker.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;

interface Waiting {
  readonly start: () => void;
  readonly reject: (error: unknown) => void;
}

export function createLargeDecoder(options: LargeDecoderOptions): LargeDecoder {
  const { admission, idleMs = IDLE_MS } = options;
  const thread = createThread(options);
  const overloaded = new SpartakusError(
    'overloaded',
    'too many large reports wait to be decoded: send it again later',
    { retryAfterMs: RETRY_AFTER_MS },
  );
  const stopped = new SpartakusError('unavailable', 'the collector is stopping: send the report again', {
    retryAfterMs: RETRY_AFTER_MS,
  });
  /** By address; the map is in the order of their turns. */
  const queues = new Map<string, Waiting[]>();
  let waiting = 0;
  let isBusy = false;
  let isClosed = false;
  let idle: NodeJS.Timeout | undefined;

  const takeTurn = ({ origin, signal }: LargeMessage): Promise<void> => {
    if (isClosed) throw stopped;
    clearTimeout(idle);
    if (!isBusy) {
      isBusy = true;
      return Promise.resolve();
    }
    const key = origin.addressKey ?? '';
    const queue = queues.get(key) ?? [];
    if (waiting >= MAX_WAITING || (key !== '' && queue.length >= MAX_WAITING_PER_ADDRESS)) throw overloaded;
    return new Promise((resolve, reject) => {
      const start = (): void => {
        // A stream has one signal for all its messages.
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const place: Waiting = { start, reject };
      const leave = (): void => {
        const at = queue.indexOf(place);
        if (at === -1) return;
        queue.splice(at, 1);
        waiting -= 1;
        if (queue.length === 0) queues.delete(key);
        reject(new SpartakusError('unavailable', 'the client has disconnected'));
      };
      queue.push(place);
      queues.set(key, queue);
      waiting += 1;
      signal?.addEventListener('abort', leave, { once: true });
    });
  };

  /** Of the address that waits longest; it goes to the end of the line. */
  const nextTurn = (): void => {
    const [first] = queues;
    if (first === undefined) {
      isBusy = false;
      idle = setTimeout(() => void thread.end(), idleMs);
      idle.unref();
      return;
    }
    const [key, queue] = first;
    const next = queue.shift();
    queues.delete(key);
    if (queue.length > 0) queues.set(key, queue);
    waiting -= 1;
    next?.start();
  };

  return {
    async decode(message) {
      await takeTurn(message);
      try {
        const decoded = await decodeNow(message);
        message.reservation.onEnd(nextTurn);
        return decoded;
      } catch (error) {
        nextTurn();
        throw error;
      }
    },
    async close() {
      isClosed = true;
      clearTimeout(idle);
      for (const queue of queues.values()) for (const { reject } of queue) reject(stopped);
      queues.clear();
      waiting = 0;
      await thread.end();
    },
  };

  async function decodeNow({ job, origin, reservation, signal }: LargeMessage): Promise<Decoded> {
    const { bytes, compressed } = job;
    if (signal?.aborted === true) throw new SpartakusError('unavailable', 'the client has disconnected');
    reservation.resize(estimateMemory(compressed?.length ?? bytes.length));
    if (compressed !== undefined) {
      admission.rejectIfInDebt(origin);
      admission.chargeBytes(origin, compressed.length);
    }
    const decoded = await thread.run({ ...job, bytes: ownBytes(bytes) });
    const documentBytes = decoded.entries.reduce(
      (sum, entry) => sum + ('document' in entry ? entry.document.fields.length : 0),
      0,
    );
    reservation.resize(Math.min(DOCUMENT_COPIES * documentBytes, reservation.bytes));
    return decoded;
  }
}

/** Bytes that are no part of a larger buffer that others use, and so can be transferred. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes);
}

/** A thread that is started for its first job, and again after it ended. */
function createThread({ program, maxHeapMiB = MAX_HEAP_MIB, maxJobMs = MAX_JOB_MS, ...options }: LargeDecoderOptions) {
  const { keepUnknownFields, normaliseLegacy, keepCountry } = options;
  let worker: Worker | undefined;
  const start = (): Worker => {
    const started = new Worker(program ?? new URL(PROGRAM, import.meta.url), {
      name: 'decode',
      workerData: { keepUnknownFields, normaliseLegacy, keepCountry },
      resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB, maxYoungGenerationSizeMb: YOUNG_MIB },
      // Flags of the main thread, such as those of a test runner, are not for it.
      execArgv: [],
    });
    started.unref();
    // Without a listener, an error of an idle thread would end the process.
    started.on('error', () => undefined);
    started.once('exit', () => {
      if (worker === started) worker = undefined;
    });
    return started;
  };
  return {
    run: (job: DecodeJob): Promise<Decoded> =>
      new Promise((resolve, reject) => {
        const current = (worker ??= start());
        const settle = (act: () => void): void => {
          clearTimeout(deadline);
          current.off('message', onMessage);
          current.off('error', onError);
          current.off('exit', onExit);
          act();
        };
        const onMessage = (reply: Reply): void =>
          settle(() => {
            try {
              resolve(fromReply(reply));
            } catch (error) {
              reject(error);
            }
          });
        const onError = (error: Error): void => {
          // It may take a while to end.
          if (worker === current) worker = undefined;
          void current.terminate();
          settle(() => reject(threadError(error, maxHeapMiB)));
        };
        const onExit = (): void => onError(new Error('the thread ended'));
        const deadline = setTimeout(() => onError(new Error(`no result within ${maxJobMs} ms`)), maxJobMs);
        current.on('message', onMessage);
        current.on('error', onError);
        current.on('exit', onExit);
        current.postMessage(job, transferable(job.bytes));
      }),
    async end(): Promise<void> {
      const current = worker;
      worker = undefined;
      await current?.terminate();
    },
  };
}

function threadError(cause: Error, maxHeapMiB: number): SpartakusError {
  if ((cause as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    const text = `the report cannot be decoded within ${maxHeapMiB} MiB of memory: send a smaller one`;
    return new SpartakusError('too-large', text, { cause });
  }
  return new SpartakusError('internal', `the report could not be decoded: ${messageOf(cause)}`, { cause });
}
