import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createVolume, type Volume } from '../../../src/delivery/spool/volume.ts';
import { makeReport } from '../../support/reports.ts';

let parent: string;
let dir: string;
let volume: Volume;

beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'spartakus-volume-'));
  dir = path.join(parent, 'a', 'spool');
  volume = createVolume(dir, () => new Date());
});

afterEach(() => rm(parent, { recursive: true, force: true }));

const modeOf = async (...names: string[]): Promise<string> =>
  ((await stat(path.join(dir, ...names))).mode & 0o777).toString(8);
const frame = Buffer.from('a frame');
const [first, second] = [makeReport().reportId, makeReport().reportId] as const;

test('its directory is created with the first call, for its owner alone', async () => {
  await expect(readdir(parent)).resolves.toStrictEqual([]);

  await expect(volume.list()).resolves.toStrictEqual(new Map());

  expect(volume.dir).toBe(dir);
  await expect(modeOf()).resolves.toBe('700');
});

test('a write creates the directory too, and both are for their owner alone', async () => {
  await volume.write(first, frame);

  await expect(modeOf()).resolves.toBe('700');
  await expect(modeOf(`${first}.report`)).resolves.toBe('600');
  await expect(volume.read(first)).resolves.toStrictEqual(frame);
});

test('the list has the size of each report, the oldest first, and nothing else', async () => {
  await volume.write(second, Buffer.alloc(20));
  await volume.write(first, Buffer.alloc(10));
  const others = ['notes.txt', 'x.report', `${first.toUpperCase()}.report`, `${first}.txt`, first, '.report'];
  for (const name of others) await writeFile(path.join(dir, name), '');

  const listed = await volume.list();

  expect([...listed]).toStrictEqual([
    [first, 10],
    [second, 20],
  ]);
  expect(await readdir(dir)).toHaveLength(others.length + 2);
});

test('a removed report is gone, and removing it again is no error', async () => {
  await volume.write(first, frame);

  await volume.remove(first);
  await volume.remove(first);

  await expect(readdir(dir)).resolves.toStrictEqual([]);
  await expect(volume.read(first)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('a removal that fails for another reason rejects', async () => {
  await mkdir(path.join(dir, `${first}.report`, 'x'), { recursive: true });

  await expect(volume.remove(first)).rejects.toMatchObject({ syscall: 'unlink' });
});

test.each(['corrupt', 'rejected'] as const)(
  'a dead letter is in the folder %s with its reason, for its owner alone',
  async (folder) => {
    await volume.write(first, frame);

    await volume.moveToDeadLetters(first, folder, 'It is wrong.');

    expect((await readdir(dir)).toSorted()).toStrictEqual([folder]);
    await expect(modeOf(folder)).resolves.toBe('700');
    await expect(modeOf(folder, `${first}.txt`)).resolves.toBe('600');
    await expect(readFile(path.join(dir, folder, `${first}.report`))).resolves.toStrictEqual(frame);
    await expect(readFile(path.join(dir, folder, `${first}.txt`), 'utf8')).resolves.toBe('It is wrong.\n');
  },
);
