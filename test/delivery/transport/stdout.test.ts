import { PassThrough, Writable } from 'node:stream';
import { fromJsonString } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { openStdoutSink } from '../../../src/delivery/transport/stdout.ts';
import { CURRENT_SCHEMA_VERSION } from '../../../src/report/schema-version.ts';
import { reportSinkContract } from '../../contract/report-sink.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { makeReport } from '../../support/reports.ts';

expectNothingLeftOpen();

reportSinkContract(
  'stdout',
  () => {
    const stream = new PassThrough();
    const sink = openStdoutSink(stream.resume());
    let printed = '';
    stream.on('data', (chunk: Buffer) => {
      printed += chunk.toString('utf8');
    });
    return Promise.resolve({
      sink,
      reject: () => undefined,
      storedClusterIds: () =>
        Promise.resolve([...printed.matchAll(/"clusterID": "([^"]*)"/g)].map(([, id = '']) => id)),
      close: () => sink.close(),
    });
  },
  { duplicates: false, rejections: [] },
);

test('a report is printed with every field that is sent, as JSON', async () => {
  const stream = new PassThrough();
  const report = makeReport();

  await openStdoutSink(stream).put([{ report }]);

  const printed = String(stream.read());
  expect(printed).toMatch(/^\{\n {4}"version": "v2.0.0",\n/);
  expect(printed.endsWith('}\n')).toBe(true);
  expect(fromJsonString(ReportSchema, printed)).toStrictEqual(report);
});

test('a report counts as stored only when it is written', async () => {
  const writes: (() => void)[] = [];
  const slow = new Writable({ write: (_chunk, _encoding, done) => void writes.push(done) });
  let settled = false;
  const answer = openStdoutSink(slow)
    .put([{ report: makeReport() }])
    .finally(() => {
      settled = true;
    });
  await new Promise(setImmediate);
  const before = settled;

  writes.forEach((done) => done());

  await expect(answer).resolves.toStrictEqual([{ status: 'stored' }]);
  expect(before).toBe(false);
});

test('a closed pipe is a failure, and does not end the program', async () => {
  const closed = new Writable({ write: (_chunk, _encoding, done) => done(new Error('write EPIPE')) });

  const [outcome] = await openStdoutSink(closed).put([{ report: makeReport() }]);

  expect(outcome).toMatchObject({
    status: 'failed',
    error: { kind: 'unavailable', message: 'The report cannot be printed: write EPIPE.' },
  });
});

test.each([
  [1, false],
  [CURRENT_SCHEMA_VERSION, true],
])('a report is printed with the fields of schema version %i', async (version, hasId) => {
  const stream = new PassThrough();

  await openStdoutSink(stream, version).put([{ report: makeReport() }]);

  expect('reportID' in (JSON.parse(String(stream.read())) as object)).toBe(hasId);
});

test('a report that cannot be encoded is a failure, and the others are printed', async () => {
  const stream = new PassThrough();
  const broken = {
    get report(): never {
      throw new Error('no report');
    },
  };

  const outcomes = await openStdoutSink(stream).put([broken, { report: makeReport() }]);

  expect(outcomes).toMatchObject([
    { status: 'failed', error: { message: 'The report cannot be printed: no report.' } },
    { status: 'stored' },
  ]);
});

test('the stream is not closed with the sink, and nothing more is printed', async () => {
  const stream = new PassThrough();
  const sink = openStdoutSink(stream);

  await sink.close();

  await expect(sink.put([{ report: makeReport() }])).resolves.toMatchObject([{ status: 'failed' }]);
  expect([stream.writableEnded, stream.read()]).toStrictEqual([false, null]);
});
