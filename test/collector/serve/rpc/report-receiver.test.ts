import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Outcome, type Receipt } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Accepted } from '../../../../src/collector/ingest/ingest.ts';
import type { OnRejection } from '../../../../src/collector/serve/console/rejections.ts';
import {
  createReportReceiver,
  type ReceivedReport,
  type ReceivedReports,
} from '../../../../src/collector/serve/rpc/report-receiver.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { makeReport } from '../../../support/reports.ts';

const ORIGIN = { protocol: 'grpc', addressKey: '192.0.2.1' } as const;
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

interface Gate {
  readonly wait: () => Promise<void>;
  readonly open: () => void;
  readonly waiting: () => number;
}

/** Holds calls until it is opened for one of them. */
function createGate(): Gate {
  const queue: (() => void)[] = [];
  return {
    wait: () => new Promise((resolve) => queue.push(resolve)),
    open: () => queue.shift()?.(),
    waiting: () => queue.length,
  };
}

/** A receiver whose ingest stores at once, or when the test says so. */
function makeReceiver({
  accept = ({ reportId }) => Promise.resolve({ reportId, status: 'stored' }),
  waitForCapacity = () => Promise.resolve(),
  pace = () => Promise.resolve(),
  onRejection = () => undefined,
}: {
  readonly accept?: (content: { readonly reportId: string }) => Promise<Accepted>;
  readonly waitForCapacity?: (...given: unknown[]) => Promise<void>;
  readonly pace?: (...given: unknown[]) => Promise<void>;
  readonly onRejection?: OnRejection;
} = {}) {
  const stopping = new AbortController();
  const receiver = createReportReceiver({
    ingest: { accept: ({ report }: { report: ReceivedReport['report'] }) => accept(report!), waitForCapacity } as never,
    admission: { pace } as never,
    keepCountry: false,
    onRejection,
    stopping: stopping.signal,
  });
  return { receiver, stopping };
}

/** Reports that are read one by one. */
function makeRequests(count: number) {
  let read = 0;
  let ended = 0;
  async function* requests(): ReceivedReports {
    for (; read < count;) {
      read += 1;
      const reservation = { bytes: 1, resize: () => undefined, onEnd: () => undefined, end: () => void (ended += 1) };
      yield await Promise.resolve([{ report: makeReport(), reservation }]);
    }
  }
  return { requests: requests(), read: () => read, ended: () => ended };
}

async function collect(receipts: AsyncIterable<readonly Receipt[]>): Promise<readonly Receipt[]> {
  const all: Receipt[] = [];
  for await (const ready of receipts) all.push(...ready);
  return all;
}

test('a stream ends each reservation with its receipt, also of a rejected report', async () => {
  let calls = 0;
  const { receiver } = makeReceiver({
    accept: ({ reportId }) =>
      (calls += 1) % 2 === 0
        ? Promise.reject(new SpartakusError('invalid', 'wrong'))
        : Promise.resolve({ reportId, status: 'duplicate' }),
  });
  const sent = makeRequests(4);

  const receipts = await collect(receiver.stream(sent.requests, ORIGIN, new AbortController().signal));

  const outcomes = receipts.map(({ outcome }) => outcome);
  expect(outcomes.filter((outcome) => outcome === Outcome.DUPLICATE)).toHaveLength(2);
  expect(outcomes.filter((outcome) => outcome === Outcome.REFUSED)).toHaveLength(2);
  expect(sent.ended()).toBe(4);
});

test('a stream has 768 unanswered reports, and reads the next one when a receipt is taken', async () => {
  const stored = createGate();
  const { receiver } = makeReceiver({
    accept: async ({ reportId }) => {
      await stored.wait();
      return { reportId, status: 'stored' };
    },
  });
  const sent = makeRequests(2_000);
  const receipts = receiver.stream(sent.requests, ORIGIN, new AbortController().signal);
  const first = receipts.next();
  await expect.poll(() => sent.read()).toBe(768);
  await settle();
  expect(stored.waiting()).toBe(768);

  stored.open();
  await first;
  const second = receipts.next();
  await expect.poll(() => sent.read()).toBe(769);
  await settle();
  expect(sent.read()).toBe(769);

  stored.open();
  await second;
  await receipts.return(undefined);
});

test('of requests that arrive together one is taken after the other, also of a large one, and their receipts go together', async () => {
  const taken: number[] = [];
  const decoded = createGate();
  const { receiver } = makeReceiver({
    accept: ({ reportId }) => {
      taken.push(-1);
      return Promise.resolve({ reportId, status: 'stored' });
    },
  });
  function* together() {
    for (const number of [1, 2, 3, 4]) {
      taken.push(number);
      const request = { report: makeReport() };
      yield number === 2 ? decoded.wait().then(() => request) : request;
    }
  }
  async function* requests(): ReceivedReports {
    yield await Promise.resolve(together());
  }
  const receipts = receiver.stream(requests(), ORIGIN, new AbortController().signal);

  await expect(receipts.next()).resolves.toMatchObject({ value: { length: 1 } });
  expect(taken).toStrictEqual([1, -1, 2]);
  decoded.open();

  await expect(collect(receipts)).resolves.toHaveLength(3);
  expect(taken).toStrictEqual([1, -1, 2, -1, 3, -1, 4, -1]);
});

test('receipts that are ready at a time are yielded together', async () => {
  const stored = Promise.withResolvers<void>();
  const { receiver } = makeReceiver({
    accept: ({ reportId }) => stored.promise.then(() => ({ reportId, status: 'stored' })),
  });
  const sent = makeRequests(3);
  const receipts = receiver.stream(sent.requests, ORIGIN, new AbortController().signal);
  const first = receipts.next();
  await expect.poll(() => sent.read()).toBe(3);
  await settle();

  stored.resolve();

  await expect(first).resolves.toMatchObject({ value: { length: 3 } });
  await expect(receipts.next()).resolves.toMatchObject({ done: true });
});

test.each(['waitForCapacity', 'pace'] as const)('a stream reads no report while %s waits', async (name) => {
  const gate = createGate();
  const { receiver } = makeReceiver({ [name]: gate.wait });
  const sent = makeRequests(3);
  const receipts = collect(receiver.stream(sent.requests, ORIGIN, new AbortController().signal));

  for (const read of [1, 2, 3]) {
    await expect.poll(gate.waiting).toBe(1);
    expect(sent.read()).toBe(read);
    gate.open();
  }
  await expect(receipts).resolves.toHaveLength(3);
});

test('streams leave no listener on the stop signal: at their end, on an error, and where the client leaves', async () => {
  const { receiver, stopping } = makeReceiver();
  const { signal } = new AbortController();
  const listeners = () => getEventListeners(stopping.signal, 'abort').length;

  await collect(receiver.stream(makeRequests(2).requests, ORIGIN, signal));
  async function* broken(): ReceivedReports {
    yield await Promise.resolve([{ report: makeReport() }]);
    throw new Error('broken');
  }
  await expect(collect(receiver.stream(broken(), ORIGIN, signal))).rejects.toThrow('broken');
  const left = receiver.stream(makeRequests(2).requests, ORIGIN, signal);
  await left.next();
  expect(listeners()).toBe(1);
  await left.return(undefined);

  expect(listeners()).toBe(0);
});

test('a stream that the collector stops answers what it has read, and ends with an error', async () => {
  const stored = createGate();
  const { receiver, stopping } = makeReceiver({
    accept: async ({ reportId }) => {
      await stored.wait();
      return { reportId, status: 'stored' };
    },
    waitForCapacity: () => new Promise(() => undefined),
  });
  const sent = makeRequests(9);
  const receipts = receiver.stream(sent.requests, ORIGIN, new AbortController().signal);
  const first = receipts.next();
  await expect.poll(stored.waiting).toBe(1);

  stopping.abort();
  stored.open();

  await expect(first).resolves.toMatchObject({ value: [{ outcome: Outcome.STORED }] });
  await expect(receipts.next()).rejects.toMatchObject({ kind: 'unavailable' });
  expect(sent.read()).toBe(1);
});

test('a report that arrives after its client has left is not stored, and its memory is given back', async () => {
  const accepted: string[] = [];
  const { receiver } = makeReceiver({
    accept: ({ reportId }) => {
      accepted.push(reportId);
      return Promise.resolve({ reportId, status: 'stored' });
    },
  });
  const second = createGate();
  const sent = makeRequests(2);
  async function* requests(): ReceivedReports {
    for await (const request of sent.requests) {
      if (sent.read() === 2) await second.wait();
      yield request;
    }
  }
  const receipts = receiver.stream(requests(), ORIGIN, new AbortController().signal);
  await receipts.next();
  await expect.poll(second.waiting).toBe(1);

  await receipts.return(undefined);
  second.open();

  await expect.poll(sent.ended).toBe(2);
  expect(accepted).toHaveLength(1);
});

test('a stream that opens while the collector stops is told to send its reports again, and holds nothing', async () => {
  const { receiver, stopping } = makeReceiver();
  stopping.abort();
  const sent = makeRequests(2);

  await expect(collect(receiver.stream(sent.requests, ORIGIN, new AbortController().signal))).rejects.toMatchObject({
    kind: 'unavailable',
    message: expect.stringContaining('send the reports without a receipt again') as string,
  });

  await settle();
  expect(sent.read()).toBe(sent.ended());
});

test('an error of the body after the collector has stopped does not take the place of that', async () => {
  const stored = createGate();
  const { receiver, stopping } = makeReceiver({
    accept: async ({ reportId }) => {
      await stored.wait();
      return { reportId, status: 'stored' };
    },
  });
  const gone = createGate();
  async function* requests(): ReceivedReports {
    yield await Promise.resolve([{ report: makeReport() }]);
    await gone.wait();
    throw new Error('the client has left');
  }
  const receipts = collect(receiver.stream(requests(), ORIGIN, new AbortController().signal));
  const failed = receipts.catch((error: unknown) => error);
  await expect.poll(gone.waiting).toBe(1);

  stopping.abort();
  gone.open();
  await settle();
  stored.open();

  await expect(failed).resolves.toMatchObject({ kind: 'unavailable' });
});

test('a rejection in a stream is counted for its protocol', async () => {
  const rejections: unknown[] = [];
  const { receiver } = makeReceiver({
    accept: () => Promise.reject(new SpartakusError('invalid', 'wrong')),
    onRejection: (protocol, error) => rejections.push([protocol, SpartakusError.from(error).kind]),
  });

  await collect(receiver.stream(makeRequests(2).requests, ORIGIN, new AbortController().signal));

  expect(rejections).toStrictEqual([
    ['grpc', 'invalid'],
    ['grpc', 'invalid'],
  ]);
});

test('a stream waits for capacity and its rate with the signal of its client, and the rate of its address', async () => {
  const asked: unknown[] = [];
  const { receiver } = makeReceiver({
    waitForCapacity: (...given: unknown[]) => (asked.push(given), Promise.resolve()),
    pace: (...given: unknown[]) => (asked.push(given), Promise.resolve()),
  });
  const { signal } = new AbortController();

  await collect(receiver.stream(makeRequests(1).requests, ORIGIN, signal));

  expect(asked).toStrictEqual([[signal], [ORIGIN, signal]]);
});
