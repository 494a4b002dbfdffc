import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createCounters, type Counters } from '../../../src/delivery/counters.ts';
import { encodeFrame, sealFrame } from '../../../src/delivery/spool/frame.ts';
import { checkSpoolDir, openSpool, type Spool } from '../../../src/delivery/spool/spool.ts';
import { createVolume, type Volume } from '../../../src/delivery/spool/volume.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { ALL, idsOf } from '../../contract/spool.ts';
import { createKeptLog, type KeptLog } from '../../support/log.ts';
import { makeReport } from '../../support/reports.ts';

const clock = { now: () => new Date('2026-11-21T00:00:00Z') };
let dir: string;
let log: KeptLog;
let counters: Counters;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
  log = createKeptLog();
  counters = createCounters();
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const open = (volume: Partial<Volume> = {}, maxBytes = 1_000_000): Promise<Spool> =>
  openSpool(
    { dir, maxBytes },
    { clock, logger: log.logger, counters, volume: { ...createVolume(dir, clock.now), ...volume } },
  );
const missing = (): Promise<never> => Promise.reject(Object.assign(new Error('ENOENT: gone'), { code: 'ENOENT' }));
const broken = (): Promise<never> => Promise.reject(Object.assign(new Error('EIO: broken'), { code: 'EIO' }));

test('a directory that is missing, and one that is there, can be that of a spool', async () => {
  await expect(checkSpoolDir(path.join(dir, 'missing'))).resolves.toBeUndefined();
  await expect(checkSpoolDir(dir)).resolves.toBeUndefined();
});

test('each failure of the volume is counted, and the first one of an outage is logged with the directory', async () => {
  let failing = true;
  const real = createVolume(dir, clock.now);
  const spool = await open({ write: (id, frame) => (failing ? broken() : real.write(id, frame)) });
  await spool.add(makeReport());
  await spool.add(makeReport());
  expect(counters.failures()).toStrictEqual([{ during: 'spool', cause: 'unavailable', count: 2 }]);
  failing = false;
  await spool.add(makeReport());
  failing = true;

  await spool.add(makeReport());

  expect(log.lines.map(({ level, fields }) => [level, fields])).toStrictEqual([
    ['warn', { dir }],
    ['info', { dir }],
    ['warn', { dir }],
  ]);
  expect(counters.failures()).toMatchObject([{ count: 3 }]);
});

test('after a write that fails, no other is tried until the next report', async () => {
  let writes = 0;
  const spool = await open({
    write: () => {
      writes += 1;
      return broken();
    },
  });

  for (let added = 0; added < 3; added += 1) await spool.add(makeReport());

  expect(writes).toBe(3);
  expect(spool.size()).toMatchObject({ reports: 3, inMemory: 3 });
});

test('a volume that works is not said to work again', async () => {
  const spool = await open();

  await spool.add(makeReport());

  expect(log.lines).toStrictEqual([]);
  expect(counters.failures()).toStrictEqual([]);
});

test('that another volunteer has removed a file is neither counted nor logged, and its report is gone', async () => {
  const reports = [makeReport(), makeReport(), makeReport()] as const;
  const spool = await open({ remove: missing, moveToDeadLetters: missing });
  for (const report of reports) await spool.add(report);

  await spool.remove(reports[0].reportId);
  await spool.reject(reports[1].reportId, new SpartakusError('invalid', 'no'));
  await createVolume(dir, clock.now).remove(reports[2].reportId);

  await expect(spool.oldest(ALL)).resolves.toStrictEqual([]);
  expect(spool.size()).toStrictEqual({ reports: 0, bytes: 0, inMemory: 0 });
  expect([log.lines, counters.failures(), counters.count('corrupt')]).toStrictEqual([[], [], 0]);
});

test('a report that cannot be read is a dead letter, with the error as its reason', async () => {
  const moved: unknown[] = [];
  const [report, other] = [makeReport(), makeReport()];
  const real = createVolume(dir, clock.now);
  const spool = await open({
    read: (id) => (id === report.reportId ? broken() : real.read(id)),
    moveToDeadLetters: (...given) => Promise.resolve(void moved.push(given)),
  });
  await spool.add(report);
  await spool.add(other);

  expect(idsOf(await spool.oldest(ALL))).toStrictEqual([other.reportId]);

  expect(moved).toStrictEqual([[report.reportId, 'corrupt', 'This report was not sent: EIO: broken.']]);
  expect(log.lines.map(({ level, fields }) => [level, fields])).toStrictEqual([
    ['warn', { reportId: report.reportId, dir }],
  ]);
  expect(spool.size()).toMatchObject({ reports: 1 });
});

test('a file with the name of another report is a dead letter that says so', async () => {
  const report = makeReport();
  await writeFile(path.join(dir, `${report.reportId}.report`), sealFrame(encodeFrame(makeReport())));
  const reasons: string[] = [];
  const spool = await open({ moveToDeadLetters: (_id, _folder, reason) => Promise.resolve(void reasons.push(reason)) });

  await expect(spool.oldest(ALL)).resolves.toStrictEqual([]);

  expect(reasons).toStrictEqual(['This report was not sent: its name is not the id of its report.']);
  expect([spool.size().reports, counters.count('corrupt')]).toStrictEqual([0, 1]);
});

test.each([
  [undefined, '2026-11-21T00:00:00.000Z invalid: The name is wrong.'],
  ['nodes[3].id', '2026-11-21T00:00:00.000Z invalid nodes[3].id: The name is wrong.'],
])('the reason of a rejection has its time, its kind, its field (%s) and its message', async (field, reason) => {
  const moved: unknown[] = [];
  const report = makeReport();
  const spool = await open({ moveToDeadLetters: (...given) => Promise.resolve(void moved.push(given)) });
  await spool.add(report);

  const error = new SpartakusError('invalid', 'The name is wrong.', field === undefined ? {} : { field });
  await spool.reject(report.reportId, error);
  await spool.reject(report.reportId, error);

  expect(moved).toStrictEqual([[report.reportId, 'rejected', reason]]);
});

test('a report in memory that is rejected or removed is not touched on the volume', async () => {
  const touched: string[] = [];
  const touch = (id: string): Promise<void> => Promise.resolve(void touched.push(id));
  const spool = await open({ write: broken, remove: touch, moveToDeadLetters: touch });
  const [rejected, removed] = [makeReport(), makeReport()];
  await spool.add(rejected);
  await spool.add(removed);

  await spool.reject(rejected.reportId, new SpartakusError('invalid', 'no'));
  await spool.remove(removed.reportId);

  expect([touched, spool.size().reports]).toStrictEqual([[], 0]);
});

test('several reports that are dropped at once are counted, logged in one line, and removed from the volume', async () => {
  const sizeOf = (report: Report): number => encodeFrame(report).length;
  const [first, second, third] = [makeReport(), makeReport(), makeReport()] as const;
  const large = makeReport();
  large.version = 'x'.repeat(sizeOf(first) + sizeOf(second));
  const maxBytes = sizeOf(third) + sizeOf(large);
  const spool = await open({}, maxBytes);
  for (const report of [first, second, third]) await spool.add(report);

  await spool.add(large);

  expect(counters.count('dropped')).toBe(2);
  expect(log.lines).toStrictEqual([
    {
      level: 'warn',
      fields: { dropped: 2, spoolBytes: maxBytes },
      message:
        '2 reports were dropped, the oldest first, and lost: the spool is full. A larger --spool-size keeps more.',
    },
  ]);
  expect([...(await createVolume(dir, clock.now).list()).keys()]).toStrictEqual(idsOf([third, large]));
});

test('reports that fill the spool to its last byte are kept', async () => {
  const reports = [makeReport(), makeReport()];
  const bytes = reports.reduce((sum, report) => sum + encodeFrame(report).length, 0);
  const spool = await open({}, bytes);

  for (const report of reports) await spool.add(report);

  expect(spool.size()).toStrictEqual({ reports: 2, bytes, inMemory: 0 });
  expect(log.lines).toStrictEqual([]);
});

test('at the end it is logged how many reports are kept and how many are lost', async () => {
  let failing = false;
  const real = createVolume(dir, clock.now);
  const spool = await open({ write: (id, frame) => (failing ? broken() : real.write(id, frame)) });
  await spool.add(makeReport());
  await spool.add(makeReport());
  failing = true;
  await spool.add(makeReport());

  await spool.close();

  expect(log.lines.slice(1)).toStrictEqual([
    {
      level: 'warn',
      fields: { lost: 1 },
      message: '1 report was not delivered, and lost: kept in memory only. A writable --spool-dir keeps reports.',
    },
    {
      level: 'info',
      fields: { kept: 2, dir },
      message: '2 reports were not delivered yet, and kept in the spool for the next run.',
    },
  ]);
});

test.each([true, false])('at the end of an empty spool nothing is logged (with a directory: %s)', async (onVolume) => {
  const spool = onVolume ? await open() : await openSpool({ maxBytes: 1 }, { clock, logger: log.logger, counters });

  await spool.close();

  expect(log.lines).toStrictEqual([]);
});

test('at the end reports in memory are written once more', async () => {
  let failing = true;
  const real = createVolume(dir, clock.now);
  const spool = await open({ write: (id, frame) => (failing ? broken() : real.write(id, frame)) });
  await spool.add(makeReport());
  failing = false;

  await Promise.all([spool.close(), spool.close()]);

  expect(log.messages()).toStrictEqual([
    expect.stringContaining('cannot be used: EIO: broken.'),
    'The spool directory can be used again.',
    '1 report was not delivered yet, and kept in the spool for the next run.',
  ]);
  expect((await real.list()).size).toBe(1);
});

test('after a clock was set back, the report with the older id comes first', async () => {
  const [older, newer] = [makeReport(), makeReport()];
  const spool = await open();

  await spool.add(newer);
  await spool.add(older);

  expect(idsOf(await spool.oldest(ALL))).toStrictEqual(idsOf([older, newer]));
});
