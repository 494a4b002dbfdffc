import { expect, test } from 'vitest';
import { createSink } from '../../../src/delivery/transport/sink.ts';
import type { Outcome } from '../../../src/report/report-sink.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';

const STORED: Outcome = { status: 'stored' };

function open(send: (batch: readonly string[]) => Promise<readonly Outcome[]>) {
  const closings: string[] = [];
  const sink = createSink<readonly string[]>({
    send,
    count: ({ length }) => length,
    close: () => void closings.push('closed'),
  });
  return { sink, closings };
}

test('the outcomes of a batch are those of its sender', async () => {
  const { sink } = open((batch) => Promise.resolve(batch.map(() => STORED)));

  await expect(sink.put(['a', 'b'])).resolves.toStrictEqual([STORED, STORED]);
});

test('where the sender rejects, every item of the batch fails with its error', async () => {
  const error = new SpartakusError('overloaded', 'Later.');
  const { sink } = open(() => Promise.reject(error));

  await expect(sink.put(['a', 'b'])).resolves.toStrictEqual([
    { status: 'failed', error },
    { status: 'failed', error },
  ]);
});

test('where the sender throws another error, every item fails as internal with its message', async () => {
  const { sink } = open(() => {
    throw new Error('broken');
  });

  await expect(sink.put(['a'])).resolves.toMatchObject([
    { status: 'failed', error: { kind: 'internal', message: 'broken' } },
  ]);
});

test('close waits for the puts in progress, and only then closes the connection', async () => {
  const answer = Promise.withResolvers<readonly Outcome[]>();
  const { sink, closings } = open(() => answer.promise);
  const put = sink.put(['a']);

  const closing = sink.close();
  await new Promise((resolve) => void setImmediate(resolve));
  expect(closings).toStrictEqual([]);
  answer.resolve([STORED]);

  await closing;
  await expect(put).resolves.toStrictEqual([STORED]);
  expect(closings).toStrictEqual(['closed']);
});

test('after close nothing is sent, and every item fails as unavailable', async () => {
  let sent = 0;
  const { sink } = open((batch) => {
    sent += 1;
    return Promise.resolve(batch.map(() => STORED));
  });
  await sink.close();

  const outcomes = await sink.put(['a', 'b']);

  const error = { kind: 'unavailable', message: 'The connection to the collector is closed.' };
  expect(outcomes).toMatchObject([
    { status: 'failed', error },
    { status: 'failed', error },
  ]);
  expect(sent).toBe(0);
});
