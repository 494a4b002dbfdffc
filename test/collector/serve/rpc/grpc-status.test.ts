import { describe, expect, test } from 'vitest';
import { toConnectError } from '../../../../src/collector/serve/error-status.ts';
import { grpcTrailers, withPlainMessage } from '../../../../src/collector/serve/rpc/grpc-status.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

test('an error with half a surrogate pair in its message has trailers', () => {
  const error = new SpartakusError('invalid', 'report.cluster_id: "\ud800" is wrong', { field: 'report.cluster_id' });

  expect(grpcTrailers(toConnectError(error))).toMatchObject({
    'grpc-status': '3',
    'grpc-message': 'report.cluster_id: "%EF%BF%BD" is wrong',
  });
});

describe('the response of a gRPC call', () => {
  /** Its trailers at the end of its body, which set them. */
  async function trailersOf(status: Readonly<Record<string, string>>) {
    const trailer = new Headers();
    async function* body() {
      yield await Promise.resolve(new Uint8Array([1]));
      for (const [name, value] of Object.entries(status)) trailer.set(name, value);
    }
    const response = withPlainMessage({ status: 200, body: body(), trailer });
    const chunks: Uint8Array[] = [];
    for await (const chunk of response.body!) chunks.push(chunk);
    expect([response.status, chunks]).toStrictEqual([200, [new Uint8Array([1])]]);
    return Object.fromEntries(trailer);
  }

  test('has a message of which no more is encoded than gRPC demands', async () => {
    await expect(trailersOf({ 'grpc-status': '3', 'grpc-message': 'a%3A%20b%25%C3%A4' })).resolves.toStrictEqual({
      'grpc-status': '3',
      'grpc-message': 'a: b%25%C3%A4',
    });
  });

  test('without a message has none', async () => {
    await expect(trailersOf({ 'grpc-status': '0' })).resolves.toStrictEqual({ 'grpc-status': '0' });
  });

  test('without a body or trailers is the same', () => {
    const trailer = new Headers({ 'grpc-message': 'a%3A' });
    async function* body() {
      yield await Promise.resolve(new Uint8Array());
    }
    for (const response of [
      { status: 200, trailer },
      { status: 200, body: body() },
    ])
      expect(withPlainMessage(response)).toBe(response);
  });
});
