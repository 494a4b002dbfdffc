import { MongoError, MongoNetworkError, MongoNetworkTimeoutError, MongoServerError, type WriteError } from 'mongodb';
import { expect, test } from 'vitest';
import { isInterrupted, isUnavailable, outcomesOfReply } from '../../../src/collector/store/write-outcomes.ts';
import type { Outcome } from '../../../src/report/report-sink.ts';

const errorOf = (index: number, code: number): WriteError =>
  ({ index, code, errmsg: 'failed at db-7.internal:27017' }) as WriteError;

/** The status of an outcome, or the kind of its error. */
const kindOf = (outcome: Outcome): string => (outcome.status === 'failed' ? outcome.error.kind : outcome.status);

test('messages for clients name no host, and the cause for the log does', () => {
  const outcomes = outcomesOfReply({ n: 0, writeErrors: [errorOf(0, 121), errorOf(1, 14_031)] }, 2);

  expect(outcomes).toMatchObject([
    { error: { message: 'the database rejected the report (code 121)', retryable: true } },
    { error: { message: 'the database is unavailable. Retry later.', retryAfterMs: 5_000 } },
  ]);
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({
      error: { cause: { message: expect.stringContaining('db-7.internal') as string } },
    });
});

test.each([
  ['new documents', { n: 3 }, ['stored', 'stored', 'stored']],
  [
    'nothing but duplicates',
    { n: 0, writeErrors: [0, 1, 2].map((index) => errorOf(index, 11_000)) },
    Array(3).fill('duplicate'),
  ],
  ['a duplicate among new documents', { n: 2, writeErrors: [errorOf(1, 11_000)] }, ['stored', 'duplicate', 'stored']],
  ['a full disk', { n: 2, writeErrors: [errorOf(2, 14_031)] }, ['stored', 'stored', 'unavailable']],
  ['a broken rule', { n: 2, writeErrors: [errorOf(0, 121)] }, ['internal', 'stored', 'stored']],
  ['a write concern that was not met', { n: 3, writeConcernError: { code: 64 } }, Array(3).fill('unavailable')],
  ['fewer documents than were sent', { n: 2 }, Array(3).fill('unavailable')],
  ['fewer errors than documents', { n: 1, writeErrors: [errorOf(0, 11_000)] }, Array(3).fill('unavailable')],
])('the reply to a command, %s: each document has its own outcome', (_name, reply, expected) => {
  expect(outcomesOfReply(reply, 3).map(kindOf)).toStrictEqual(expected);
});

test.each([
  ['of the write concern', { n: 2, writeConcernError: { code: 189, errmsg: 'stepped down' } }],
  ['of a document', { n: 1, writeErrors: [errorOf(0, 11_000), errorOf(1, 11_602)] }],
])('an error %s that says that the primary changed interrupts the whole write', (_where, reply) => {
  let thrown: unknown;
  try {
    outcomesOfReply(reply, 3);
  } catch (error) {
    thrown = error;
  }

  expect(isInterrupted(thrown)).toBe(true);
});

test('an error without a reason says so in the cause', () => {
  const [outcome] = outcomesOfReply({ n: 0, writeErrors: [{ index: 0, code: 14_031 }] }, 1);

  expect(outcome).toMatchObject({ error: { cause: { message: 'no reason given (code 14031)' } } });
});

const labelled = new MongoServerError({ message: 'x', code: 1 });
labelled.addErrorLabel('RetryableWriteError');
const systemError = Object.assign(new Error('read ECONNRESET'), { syscall: 'read' });

test.each<[string, unknown, boolean]>([
  ...[91, 189, 10_058, 10_107, 11_600, 11_602, 13_435, 13_436].map((code): [string, unknown, boolean] => [
    `the code ${code}`,
    new MongoServerError({ message: 'x', code }),
    true,
  ]),
  ['a code of a full disk', new MongoServerError({ message: 'x', code: 14_031 }), false],
  ['the label of a write that may be sent again', labelled, true],
  ['a broken connection', new MongoNetworkError('closed'), true],
  ['a connection without a response in time', new MongoNetworkTimeoutError('timed out'), false],
  ['an error of the system', systemError, true],
  ['an error of this program', new Error('x'), false],
  ['an error of the driver', new MongoError('x'), false],
  ['something that is no error', { syscall: 'read' }, false],
])('%s: whether a write can be sent again', (_what, error, expected) => {
  expect(isInterrupted(error)).toBe(expected);
});

test('only a failure that concerns all reports makes the database unavailable', () => {
  const outcomes = outcomesOfReply({ n: 1, writeErrors: [errorOf(0, 121), errorOf(1, 14_031), errorOf(2, 11_000)] }, 4);

  expect(outcomes.map(isUnavailable)).toStrictEqual([false, true, false, false]);
});
