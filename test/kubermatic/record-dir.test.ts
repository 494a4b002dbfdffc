import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { JsonValue } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openRecordDir } from '../../src/kubermatic/record-dir.ts';
import { readRecord } from '../../src/report/kubermatic-record.ts';
import { type Files, SYSTEM_FILES } from '../../src/runtime/atomic-file.ts';
import { createMortalFiles } from '../support/mortal-files.ts';

const now = () => new Date();
const RECORD = JSON.stringify({ kind: 'kubernetes', version: 'v2' });
const PENDING = { files: ['record-1.json'], report: { records: [{ kind: 'kubernetes' }] } };

let work: string;
let dir: string;

beforeEach(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'spartakus-records-'));
  dir = path.join(work, 'records');
});

afterEach(() => rm(work, { recursive: true, force: true }));

/** Reads the directory as Kubermatic's own reporter does: every entry, and each must be a record. */
async function readAsKubermatic(): Promise<readonly string[]> {
  const names = await readdir(dir).catch(() => []);
  for (const name of names) readRecord(JSON.parse(await readFile(path.join(dir, name), 'utf8')) as JsonValue);
  return names;
}

test('at whatever step an agent stops, the directory holds whole records and nothing else', async () => {
  for (let operations = 0, died = true; died; operations += 1) {
    await rm(work, { recursive: true });
    const files = createMortalFiles(operations);

    await openRecordDir(dir, { now, files })
      .write('record-1.json', RECORD)
      .catch(() => undefined);

    died = files.isDead();
    // The names of three new directories, a file, and its name.
    await expect(readAsKubermatic()).resolves.toStrictEqual(died && operations < 5 ? [] : ['record-1.json']);
  }
});

test('at whatever step a reporter stops, the directory holds whole records and nothing else', async () => {
  for (let operations = 0, died = true; died; operations += 1) {
    await rm(work, { recursive: true });
    await openRecordDir(dir, { now }).write('record-1.json', RECORD);
    const files = createMortalFiles(operations);
    const records = openRecordDir(dir, { now, files });

    await records
      .writePending(PENDING)
      .then(() => records.removePending())
      .catch(() => undefined);

    died = files.isDead();
    await expect(readAsKubermatic()).resolves.toStrictEqual(['record-1.json']);
  }
});

test('a begun report in the record directory, as earlier versions left it, is resumed once', async () => {
  await mkdir(dir);
  await writeFile(path.join(dir, '.report.pending'), JSON.stringify(PENDING));
  const records = openRecordDir(dir, { now });

  await expect(records.readPending()).resolves.toStrictEqual(PENDING);
  await records.removePending();

  await expect(records.readPending()).resolves.toBeUndefined();
  await expect(readdir(dir)).resolves.toStrictEqual([]);
});

test('a begun report beside the record directory is resumed by the next run', async () => {
  await openRecordDir(`${dir}/`, { now }).writePending(PENDING);

  await expect(openRecordDir(dir, { now }).readPending()).resolves.toStrictEqual(PENDING);
  await expect(readdir(`${dir}.pending`)).resolves.toStrictEqual(['.report.pending']);
});

test('where the record directory is a mount of the same device, to which no file can be moved, a record is written all the same', async () => {
  const rename: Files['rename'] = (from, to) =>
    path.dirname(from) === path.dirname(to)
      ? SYSTEM_FILES.rename(from, to)
      : Promise.reject(Object.assign(new Error('EXDEV: cross-device link'), { code: 'EXDEV' }));

  await openRecordDir(dir, { now, files: { ...SYSTEM_FILES, rename } }).write('record-1.json', RECORD);

  await expect(readAsKubermatic()).resolves.toStrictEqual(['record-1.json']);
  await expect(readdir(`${dir}.pending`)).resolves.toStrictEqual([]);
});

test('where nothing can be written beside the record directory, the begun report is kept in it', async () => {
  await mkdir(dir);
  await writeFile(`${dir}.pending`, 'a file');
  await chmod(`${dir}.pending`, 0);
  const records = openRecordDir(dir, { now });

  await records.write('record-1.json', RECORD);
  await records.writePending(PENDING);

  await expect(readdir(dir)).resolves.toStrictEqual(['.report.pending', 'record-1.json']);
  await expect(records.list()).resolves.toStrictEqual(['record-1.json']);
  await expect(openRecordDir(dir, { now }).readPending()).resolves.toStrictEqual(PENDING);
});
