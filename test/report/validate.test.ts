import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { validateReport } from '../../src/report/validate.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';

type ReportInit = MessageInitShape<typeof ReportSchema>;

function check(init: ReportInit, requireClusterId = true): SpartakusError | undefined {
  try {
    validateReport(create(ReportSchema, init), { requireClusterId });
    return undefined;
  } catch (error) {
    return SpartakusError.from(error);
  }
}

test.each<[string, ReportInit, string]>([
  ['no cluster id', {}, 'clusterID'],
  ['a cluster id of spaces', { clusterId: '  ' }, 'clusterID'],
  ['an id that is no UUID', { clusterId: 'c', reportId: 'x' }, 'reportID'],
  ['a UUIDv4', { clusterId: 'c', reportId: 'f81d4fae-7dec-41d0-a765-00a0c91e6bf6' }, 'reportID'],
  ['a UUIDv7 in upper case', { clusterId: 'c', reportId: '01890A5D-AC96-774B-BCCE-B302099A8057' }, 'reportID'],
  ['a date before 1970', { clusterId: 'c', observedAt: { seconds: -1n } }, 'observedAt'],
  ['a date after 9999', { clusterId: 'c', observedAt: { seconds: 253_402_300_800n } }, 'observedAt'],
  ['too many nanoseconds', { clusterId: 'c', observedAt: { nanos: 1_000_000_000 } }, 'observedAt'],
])('%s is rejected with the name of the field', (_name, init, field) => {
  const error = check(init);

  expect(error).toMatchObject({ kind: 'invalid', field, retryable: false });
  expect(error?.message).toContain(field);
});

test.each<[string, ReportInit]>([
  ['a cluster id alone', { clusterId: 'c' }],
  ['a UUIDv7', { clusterId: 'c', reportId: '01890a5d-ac96-774b-bcce-b302099a8057' }],
  ['the first and the last moment', { clusterId: 'c', observedAt: { seconds: 253_402_300_799n, nanos: 999_999_999 } }],
])('%s is valid', (_name, init) => {
  expect(check(init)).toBeUndefined();
});

test('a report without a cluster id is valid where none is required', () => {
  expect(check({}, false)).toBeUndefined();
});
