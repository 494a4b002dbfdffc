import { Code, ConnectError } from '@connectrpc/connect';
import { describe, expect, test } from 'vitest';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '../../../gen/google/rpc/error_details_pb.js';
import { challengeOf, kindOf, toConnectError, toRefusal } from '../../../src/collector/serve/error-status.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';

const INVALID = new SpartakusError('invalid', 'nodes[3].id is required', { field: 'nodes[3].id' });
const LIMITED = new SpartakusError('rate-limited', 'too many', { retryAfterMs: 1_500 });
/** Of 1,500 ms. */
const DELAY = { seconds: 1n, nanos: 500_000_000 };

describe('the error of a call', () => {
  test('names the field that is wrong, and has no time to retry', () => {
    const error = toConnectError(INVALID);

    expect([error.code, error.rawMessage, error.cause]).toStrictEqual([
      Code.InvalidArgument,
      'nodes[3].id is required',
      INVALID,
    ]);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'INVALID_FIELD', domain: 'spartakus' }]);
    expect(error.findDetails(BadRequestSchema)).toMatchObject([
      { fieldViolations: [{ field: 'nodes[3].id', description: 'nodes[3].id is required' }] },
    ]);
    expect(error.details).toHaveLength(2);
  });

  test('has the time after which the same request may succeed, and the reason of its kind', () => {
    const error = toConnectError(LIMITED);

    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.findDetails(ErrorInfoSchema)).toMatchObject([{ reason: 'RATE_LIMITED', domain: 'spartakus' }]);
    expect(error.findDetails(RetryInfoSchema)).toMatchObject([{ retryDelay: DELAY }]);
    expect(error.details).toHaveLength(2);
  });

  test('has a challenge where a token is missing, and nowhere else', () => {
    const missing = new SpartakusError('unauthenticated', 'no token');

    expect([...toConnectError(missing).metadata]).toStrictEqual([['www-authenticate', 'Bearer']]);
    expect([...toConnectError(LIMITED).metadata]).toStrictEqual([]);
    expect([challengeOf(missing), challengeOf(LIMITED)]).toStrictEqual([{ 'www-authenticate': 'Bearer' }, {}]);
  });

  test('has no half of a surrogate pair, which no header can hold', () => {
    const error = toConnectError(new SpartakusError('invalid', 'the name \ud83d is unknown', { field: 'name' }));

    expect(error.rawMessage).toBe('the name \ufffd is unknown');
    expect(error.findDetails(BadRequestSchema)[0]?.fieldViolations[0]?.description).toBe(error.rawMessage);
  });
});

test.each<[string, unknown, string]>([
  ['of our own', LIMITED, 'rate-limited'],
  ['of anything else', new TypeError('no function'), 'internal'],
  ['of Connect that was one of ours', toConnectError(LIMITED), 'rate-limited'],
  ['of Connect for a message that is too large', new ConnectError('large', Code.ResourceExhausted), 'too-large'],
  ['of Connect for a message that cannot be decoded', new ConnectError('bad', Code.InvalidArgument), 'invalid'],
  ['of Connect for an unknown method', new ConnectError('none', Code.Unimplemented), 'unimplemented'],
  ["of Connect after a client's deadline", new ConnectError('late', Code.DeadlineExceeded), 'unavailable'],
  ['of Connect with a code that the collector has not', new ConnectError('?', Code.DataLoss), 'internal'],
  ['of Connect with another cause', new ConnectError('?', Code.NotFound, {}, [], new Error('x')), 'not-found'],
])('an error %s has a kind', (_what, thrown, kind) => {
  expect(kindOf(thrown)).toBe(kind);
});

test('the refusal in a receipt has the field and the time to retry, where there is one', () => {
  expect(toRefusal(INVALID)).toMatchObject({
    code: Code.InvalidArgument,
    reason: 'nodes[3].id is required',
    field: 'nodes[3].id',
  });
  expect(toRefusal(INVALID).retryAfter).toBeUndefined();
  expect(toRefusal(LIMITED)).toMatchObject({
    code: Code.ResourceExhausted,
    reason: 'too many',
    field: '',
    retryAfter: DELAY,
  });
});
