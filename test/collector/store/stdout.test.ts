import { PassThrough, Writable } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { describe, expect, test } from 'vitest';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createStdoutStore } from '../../../src/collector/store/stdout.ts';
import { makeReport } from '../../support/reports.ts';

const tick = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('each document is a line of JSON, with bytes as in protobuf JSON', async () => {
  const output = new PassThrough();
  const report = create(ReportSchema, { ...makeReport(), clusterId: 'c' });
  report.$unknown = [{ no: 9_999, wireType: WireType.LengthDelimited, data: new Uint8Array([1, 65]) }];

  await expect(createStdoutStore(output).put([{ report }, { report: makeReport() }])).resolves.toStrictEqual([
    { status: 'stored' },
    { status: 'stored' },
  ]);

  const lines = (output.read() as Buffer).toString().split('\n');
  expect(lines.map((line) => /^\{.*\}$/.test(line))).toStrictEqual([true, true, false]);
  expect(lines[2]).toBe('');
  const { clusterID, unknownFields } = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  expect(clusterID).toBe('c');
  expect(typeof unknownFields).toBe('string');
});

test('reports count as stored when what was printed before is read, so that memory does not grow', async () => {
  const output = new PassThrough({ highWaterMark: 10 });
  let isStored = false;
  const stored = createStdoutStore(output)
    .put([{ report: makeReport() }])
    .then(() => (isStored = true));

  await tick();
  expect(isStored).toBe(false);
  output.resume();

  await expect(stored).resolves.toBe(true);
  expect(output.listenerCount('drain')).toBe(0);
});

describe('an output that fails', () => {
  test('fails the reports as retryable, and is then reported by the check', async () => {
    const output = new Writable({
      highWaterMark: 1,
      write: (_chunk, _encoding, done) => done(new Error('write EPIPE')),
    });
    const store = createStdoutStore(output);
    await expect(store.check()).resolves.toBeUndefined();

    const failed = {
      status: 'failed',
      error: {
        kind: 'unavailable',
        message: 'could not print the report: write EPIPE',
        cause: { message: 'write EPIPE' },
      },
    };
    await expect(store.put([{ report: makeReport() }, { report: makeReport() }])).resolves.toMatchObject([
      failed,
      failed,
    ]);

    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable', message: 'standard output is closed' });
  });
});

test('no cluster is known, and close leaves the output open', async () => {
  const output = new PassThrough();
  const store = createStdoutStore(output);

  await expect(store.hasReportsFrom('c')).resolves.toBe(false);
  await expect(store.close()).resolves.toBeUndefined();

  expect(output.writable).toBe(true);
});
