import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { create, fromBinary } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NodeSchema, type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createCounters, type Counters } from '../../../src/delivery/counters.ts';
import { decodeFrame, encodeFrame, sealFrame } from '../../../src/delivery/spool/frame.ts';
import { openSpool, type Spool, type SpoolOptions } from '../../../src/delivery/spool/spool.ts';
import { createVolume, MAX_DEAD_LETTERS, type Volume } from '../../../src/delivery/spool/volume.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { ALL, decoded, idsOf, spoolContract } from '../../contract/spool.ts';
import { failureOf } from '../../support/failure.ts';
import { createKeptLog, type KeptLog } from '../../support/log.ts';
import { makeReport } from '../../support/reports.ts';

let dir: string;
let log: KeptLog;
let counters: Counters;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'spartakus-spool-'));
  log = createKeptLog();
  counters = createCounters();
});

afterEach(() => rm(dir, { recursive: true, force: true }));

spoolContract('a spool in memory', (maxBytes, options) => openSpool({ maxBytes }, options));
spoolContract('a spool in a directory', (maxBytes, options) =>
  openSpool({ maxBytes, dir: path.join(dir, crypto.randomUUID(), 'spool') }, options),
);

const clock = { now: () => new Date() };
const open = (options: Partial<SpoolOptions> = {}): Promise<Spool> =>
  openSpool({ dir, maxBytes: 1_000_000 }, { clock, logger: log.logger, counters, ...options });
const fileOf = ({ reportId }: Report): string => path.join(dir, `${reportId}.report`);

async function addTo(spool: Spool, count: number): Promise<readonly Report[]> {
  const reports = Array.from({ length: count }, makeReport);
  for (const report of reports) await spool.add(report);
  return reports;
}

test('reports are still there after a restart, oldest first', async () => {
  const reports = await addTo(await open(), 3);

  await expect(decoded((await open()).oldest(ALL))).resolves.toStrictEqual(reports);
});

test('a report of very many nodes comes back as it was, and its encoding is that of the whole', async () => {
  const nodes = Array.from({ length: 1234 }, (_, index) => create(NodeSchema, { id: `n${index}` }));
  const report = create(ReportSchema, { ...makeReport(), nodes });
  const spool = await open();

  await spool.add(report);

  const [spooled] = await spool.oldest(ALL);
  expect(spooled?.report).toStrictEqual(report);
  expect(fromBinary(ReportSchema, spooled?.encoded.bytes ?? new Uint8Array())).toStrictEqual(report);
});

test('a report is one file that is named by its id, for its owner alone', async () => {
  const reports = await addTo(await open(), 2);

  expect((await readdir(dir)).toSorted()).toStrictEqual(reports.map(({ reportId }) => `${reportId}.report`));
  expect((await stat(fileOf(reports[0] as Report))).mode & 0o777).toBe(0o600);
});

test('files of other programs are ignored', async () => {
  await writeFile(path.join(dir, 'notes.txt'), 'hello');
  await mkdir(path.join(dir, 'lost+found'));

  const spool = await open();

  expect(spool.size().reports).toBe(0);
  expect((await readdir(dir)).toSorted()).toStrictEqual(['lost+found', 'notes.txt']);
});

test('an unfinished file is removed when it is too old to be in progress', async () => {
  const [old, young] = ['old.unfinished', 'young.unfinished'].map((name) => path.join(dir, name)) as [string, string];
  await Promise.all([old, young].map((file) => writeFile(file, '')));
  const twoHoursAgo = Date.now() / 1000 - 7200;
  await utimes(old, twoHoursAgo, twoHoursAgo);

  await open();

  await expect(readdir(dir)).resolves.toStrictEqual(['young.unfinished']);
});

test('a path that is no directory is rejected with the flag', async () => {
  const file = path.join(dir, 'file');
  await writeFile(file, '');

  const error = await failureOf(openSpool({ dir: file, maxBytes: 1 }, { clock, logger: log.logger, counters }));

  expect(error).toMatchObject({
    kind: 'invalid',
    field: '--spool-dir',
    message: `--spool-dir ${file}: is not a directory.`,
  });
});

/** Corrupts the second of three reports, and checks that the spool gives the others and keeps it as a dead letter. */
async function corruptSecond(corrupt: (bytes: Buffer) => Buffer): Promise<void> {
  const [first, second, third] = (await addTo(await open(), 3)) as [Report, Report, Report];
  await writeFile(fileOf(second), corrupt(await readFile(fileOf(second))));

  const spool = await open();

  expect(idsOf(await spool.oldest(ALL))).toStrictEqual([first.reportId, third.reportId]);
  await expect(readdir(path.join(dir, 'corrupt'))).resolves.toStrictEqual([
    `${second.reportId}.report`,
    `${second.reportId}.txt`,
  ]);
}

test('a corrupt report becomes a dead letter with the reason, is logged once, and the others are delivered', async () => {
  await corruptSecond((bytes) => bytes.subarray(0, -1));

  expect(log.messages('warn')).toStrictEqual([
    expect.stringMatching(/^A report in the spool is corrupt \(its report is \d+ bytes long where \d+ were written\)/),
  ]);
  expect(counters.count('corrupt')).toBe(1);
  const names = await readdir(path.join(dir, 'corrupt'));
  await expect(readFile(path.join(dir, 'corrupt', names[1] ?? ''), 'utf8')).resolves.toMatch(
    /^This report was not sent: its report is /,
  );
  await open();
  expect(log.messages('warn')).toHaveLength(1);
});

test.each([
  ['an empty file', () => Buffer.alloc(0)],
  ['a file of zeros', (bytes: Buffer) => Buffer.alloc(bytes.length)],
  ['a file of another report', () => sealFrame(encodeFrame(makeReport()))],
])('%s is corrupt', async (_, corrupt) => {
  await corruptSecond(corrupt);

  expect(counters.count('corrupt')).toBe(1);
});

test('a file that ends anywhere before its end is detected', () => {
  const frame = sealFrame(encodeFrame(makeReport()));

  const taken = Array.from({ length: frame.length }, (_, length) => frame.subarray(0, length)).filter(isTaken);

  expect(taken).toStrictEqual([]);
  expect(isTaken(frame)).toBe(true);
});

test('a file with any bit flipped, or with a byte too many, is detected', () => {
  const frame = sealFrame(encodeFrame(makeReport()));
  const flipped = Array.from({ length: frame.length * 8 }, (_, bit) => {
    const copy = Buffer.from(frame);
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    return copy;
  });

  expect([...flipped, Buffer.concat([frame, Buffer.alloc(1)])].filter(isTaken)).toStrictEqual([]);
});

function isTaken(frame: Buffer): boolean {
  try {
    decodeFrame(frame);
    return true;
  } catch (error) {
    if (!(error instanceof SpartakusError)) throw error;
    return false;
  }
}

test('whatever the length at which a spool file was cut off, or the byte in which a bit flipped, the others are delivered', async () => {
  const [before, victim, after] = Array.from({ length: 3 }, makeReport) as [Report, Report, Report];
  const whole = sealFrame(encodeFrame(victim));
  const cut = Array.from({ length: whole.length }, (_, length) => whole.subarray(0, length));
  const flipped = Array.from(whole, (byte, offset) =>
    Buffer.concat([whole.subarray(0, offset), Buffer.of(byte ^ 1), whole.subarray(offset + 1)]),
  );
  // In memory but for the directory: a thousand times on a disk would test the disk.
  const files = new Map<string, Uint8Array>();
  const deadLetters: string[] = [];
  const volume = {
    ...createVolume(dir, clock.now),
    list: () => Promise.resolve(new Map([...files].map(([id, bytes]) => [id, bytes.length]))),
    read: (id: string) => Promise.resolve(files.get(id) ?? Buffer.alloc(0)),
    moveToDeadLetters: (id: string) => {
      deadLetters.push(id);
      files.delete(id);
      return Promise.resolve();
    },
  };

  for (const bytes of [...cut, ...flipped]) {
    for (const report of [before, after]) files.set(report.reportId, sealFrame(encodeFrame(report)));
    files.set(victim.reportId, bytes);
    expect(idsOf(await (await open({ volume })).oldest(ALL))).toStrictEqual(idsOf([before, after]));
  }

  expect(deadLetters).toStrictEqual(Array(2 * whole.length).fill(victim.reportId));
});

test('a rejected report becomes a dead letter, with the reason in a readable file', async () => {
  const spool = await open();
  const [report] = (await addTo(spool, 1)) as [Report];

  await spool.reject(
    report.reportId,
    new SpartakusError('invalid', 'The collector rejected the report: bad id', { field: 'nodes[3].id' }),
  );

  const rejected = path.join(dir, 'rejected');
  await expect(readFile(path.join(rejected, `${report.reportId}.txt`), 'utf8')).resolves.toMatch(
    /^\d{4}-\d\d-\d\dT[\d:.]+Z invalid nodes\[3\]\.id: The collector rejected the report: bad id\n$/,
  );
  expect(decodeFrame(await readFile(path.join(rejected, `${report.reportId}.report`))).report).toStrictEqual(report);
  expect((await open()).size().reports).toBe(0);
});

test('a dead letter that is moved back is sent again by the next run', async () => {
  const spool = await open();
  const [report] = (await addTo(spool, 1)) as [Report];
  await spool.reject(report.reportId, new SpartakusError('unauthenticated', 'no'));

  await writeFile(fileOf(report), await readFile(path.join(dir, 'rejected', `${report.reportId}.report`)));

  await expect(decoded((await open()).oldest(ALL))).resolves.toStrictEqual([report]);
});

test('the newest hundred dead letters are kept', async () => {
  const spool = await open();
  const reports = await addTo(spool, 3);
  // The older ones are written here without waiting for the disk.
  const older = Array.from(
    { length: MAX_DEAD_LETTERS },
    (_, index) => `0199${String(index).padStart(4, '0')}-0000-7000-8000-000000000000`,
  );
  const rejected = path.join(dir, 'rejected');
  await mkdir(rejected);
  await Promise.all(
    older.flatMap((id) => ['report', 'txt'].map((type) => writeFile(path.join(rejected, `${id}.${type}`), ''))),
  );

  for (const { reportId } of reports) await spool.reject(reportId, new SpartakusError('invalid', 'no'));

  const kept = [...older.slice(3), ...idsOf(reports)];
  expect((await readdir(rejected)).toSorted()).toStrictEqual(kept.flatMap((id) => [`${id}.report`, `${id}.txt`]));
});

/** A volume that fails for as long as `failing` says. */
function brokenVolume(code: string): { failing: boolean; readonly volume: Volume } {
  const real = createVolume(dir, clock.now);
  const guard = <Value>(use: () => Promise<Value>): Promise<Value> =>
    state.failing ? Promise.reject(Object.assign(new Error(`${code}: it is broken`), { code })) : use();
  const volume: Volume = {
    dir,
    list: () => guard(() => real.list()),
    write: (id, frame) => guard(() => real.write(id, frame)),
    read: (id) => real.read(id),
    remove: (id) => guard(() => real.remove(id)),
    moveToDeadLetters: (id, folder, why) => guard(() => real.moveToDeadLetters(id, folder, why)),
  };
  const state = { failing: true, volume };
  return state;
}

test.each(['ENOSPC', 'EROFS', 'EACCES'])(
  'on a volume that answers %s reports wait in memory, which is logged once',
  async (code) => {
    const { volume } = brokenVolume(code);
    const spool = await open({ volume });

    const reports = await addTo(spool, 3);

    await expect(decoded(spool.oldest(ALL))).resolves.toStrictEqual(reports);
    expect(spool.size()).toMatchObject({ reports: 3, inMemory: 3 });
    expect(log.messages()).toStrictEqual([
      `The spool directory cannot be used: ${code}: it is broken. Until it can, reports wait in memory, and are lost if the volunteer ends before.`,
    ]);
  },
);

test('once a volume can be written again, reports in memory are written to it', async () => {
  const broken = brokenVolume('ENOSPC');
  const spool = await open({ volume: broken.volume });
  const waited = await addTo(spool, 2);
  broken.failing = false;

  const [last] = await addTo(spool, 1);

  expect(spool.size()).toMatchObject({ reports: 3, inMemory: 0 });
  await expect(decoded((await open()).oldest(ALL))).resolves.toStrictEqual([...waited, last]);
  expect(log.messages('info')).toStrictEqual(['The spool directory can be used again.']);
});

test('a full volume from which reports are delivered is logged once, not for each report', async () => {
  const spool = await open();
  const [first, second] = (await addTo(spool, 2)) as [Report, Report];
  const real = createVolume(dir, clock.now);
  const full = await open({ volume: { ...real, write: () => Promise.reject(new Error('ENOSPC')) } });

  await addTo(full, 1);
  await full.remove(first.reportId);
  await addTo(full, 1);
  await full.remove(second.reportId);
  await addTo(full, 1);

  expect(log.messages()).toStrictEqual([expect.stringContaining('The spool directory cannot be used: ENOSPC.')]);
});

test('on a volume that became read-only reports are still delivered, each once', async () => {
  const broken = brokenVolume('EROFS');
  broken.failing = false;
  const spool = await open({ volume: broken.volume });
  const [first, second] = (await addTo(spool, 2)) as [Report, Report];
  broken.failing = true;

  await spool.remove(first.reportId);
  await spool.reject(second.reportId, new SpartakusError('invalid', 'no'));

  await expect(spool.oldest(ALL)).resolves.toStrictEqual([]);
});

test('a real directory that cannot be created is logged, and reports wait in memory', async () => {
  await writeFile(path.join(dir, 'file'), '');
  const spool = await openSpool(
    { dir: path.join(dir, 'file', 'spool'), maxBytes: 1_000_000 },
    { clock, logger: log.logger, counters },
  );

  const reports = await addTo(spool, 1);

  await expect(decoded(spool.oldest(ALL))).resolves.toStrictEqual(reports);
  expect(log.messages('warn')).toStrictEqual([expect.stringContaining('ENOTDIR')]);
});

test('reports that are lost at the end are logged', async () => {
  const spool = await openSpool({ maxBytes: 1_000_000 }, { clock, logger: log.logger, counters });
  await addTo(spool, 2);

  await spool.close();

  expect(log.messages('warn')).toStrictEqual([
    '2 reports were not delivered, and lost: kept in memory only. A writable --spool-dir keeps reports.',
  ]);
});

test('reports that are kept at the end are logged', async () => {
  const spool = await open();
  await addTo(spool, 1);

  await spool.close();

  expect(log.messages()).toStrictEqual(['1 report was not delivered yet, and kept in the spool for the next run.']);
});

test('two volunteers on one directory remove only reports that are settled', async () => {
  const mine = await addTo(await open(), 4);
  const [one, other] = await Promise.all([open(), open()]);
  await expect(decoded(other.oldest(ALL))).resolves.toStrictEqual(mine);

  await Promise.all(
    mine.map(({ reportId }, index) =>
      index % 2 === 0 ? one.remove(reportId) : other.reject(reportId, new SpartakusError('invalid', 'no')),
    ),
  );

  await expect(one.oldest(ALL)).resolves.toStrictEqual([]);
  await expect(other.oldest(ALL)).resolves.toStrictEqual([]);
  await Promise.all(mine.flatMap(({ reportId }) => [one.remove(reportId), other.remove(reportId)]));
  expect([...log.messages('warn'), ...log.messages('error')]).toStrictEqual([]);
  expect([one.size().reports, other.size().reports]).toStrictEqual([0, 0]);
});
