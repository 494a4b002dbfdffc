import { expect, test } from 'vitest';
import type { Decoded } from '../../../../src/collector/serve/decode/decode-message.ts';
import { fromReply, toReply, transferable } from '../../../../src/collector/serve/decode/worker-protocol.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

/** Sends a reply to this thread, as to another one. */
function send(decode: () => Decoded): Decoded {
  const { reply, transfer } = toReply(decode);
  return fromReply(structuredClone(reply, { transfer }));
}

const document = (fields: Uint8Array) =>
  ({ kind: 'report', clusterId: 'c', reportId: 'r', fields, droppedFields: 2 }) as const;

test('documents and errors of entries are the same on the other side', () => {
  const error = new SpartakusError('invalid', 'wrong', { field: 'nodes', retryAfterMs: 7 });
  const decoded: Decoded = {
    dialect: 'kubermatic',
    country: 'DE',
    unknownFields: 3,
    validateOnly: true,
    entries: [{ document: document(new Uint8Array([1, 2])) }, { reportId: 'x', error }],
  };

  const { entries, ...rest } = send(() => decoded);

  expect(rest).toStrictEqual({ dialect: 'kubermatic', country: 'DE', unknownFields: 3, validateOnly: true });
  expect(entries[0]).toStrictEqual({ document: document(new Uint8Array([1, 2])) });
  expect(entries[1]).toStrictEqual({ reportId: 'x', error: expect.any(SpartakusError) as SpartakusError });
  expect(entries[1]).toMatchObject({ error: { kind: 'invalid', message: 'wrong', field: 'nodes', retryAfterMs: 7 } });
});

test('the error of a message is thrown on the other side, one of another class as internal', () => {
  const fail = (error: Error) => (): never => {
    throw error;
  };

  const error = new SpartakusError('too-large', 'long', { field: 'f', retryAfterMs: 1, cause: new Error('why') });
  expect(() => send(fail(error))).toThrow(
    expect.objectContaining({ kind: 'too-large', message: 'long', field: 'f', retryAfterMs: 1 }) as Error,
  );
  expect(() => send(fail(new TypeError('broken')))).toThrow(
    expect.objectContaining({ kind: 'internal', message: 'broken' }) as Error,
  );
  expect(toReply(fail(error)).transfer).toStrictEqual([]);
});

test('a document with a buffer of its own is moved, and one in the pool of Node.js is copied', () => {
  const own = new Uint8Array([1, 2, 3]);
  const pooled = Buffer.from([4, 5]);

  const { reply, transfer } = toReply(() => ({
    dialect: 'report',
    entries: [{ document: document(own) }, { document: document(pooled) }],
  }));

  expect(transfer[0]).toBe(own.buffer);
  expect(transfer[1]).toHaveProperty('byteLength', 2);
  expect(fromReply(reply).entries).toMatchObject([
    { document: { fields: own } },
    { document: { fields: new Uint8Array([4, 5]) } },
  ]);
});

test('the buffer of bytes can be moved, but not the pool of Node.js and shared memory', () => {
  const own = new Uint8Array(3);

  expect(transferable(own)).toStrictEqual([own.buffer]);
  expect(transferable(Buffer.from([1]))).toStrictEqual([]);
  expect(transferable(new Uint8Array(new SharedArrayBuffer(3)))).toStrictEqual([]);
});
