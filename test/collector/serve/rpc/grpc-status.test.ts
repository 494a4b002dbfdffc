import { expect, test } from 'vitest';
import { toConnectError } from '../../../../src/collector/serve/error-status.ts';
import { grpcTrailers } from '../../../../src/collector/serve/rpc/grpc-status.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';

test('an error with half a surrogate pair in its message has trailers', () => {
  const error = new SpartakusError('invalid', 'report.cluster_id: "\ud800" is wrong', { field: 'report.cluster_id' });

  expect(grpcTrailers(toConnectError(error))).toMatchObject({
    'grpc-status': '3',
    'grpc-message': 'report.cluster_id: "%EF%BF%BD" is wrong',
  });
});
