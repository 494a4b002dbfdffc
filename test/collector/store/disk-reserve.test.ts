import { statfs } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { openDiskReserve } from '../../../src/collector/store/disk-reserve.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { makeReport } from '../../support/reports.ts';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;
const FULL = 'the disk of the database is full. Retry later.';
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A store on a disk of 1 GiB, whose reserve is 100 MiB. */
async function openOnDisk(
  reserve: { readonly reserveBytes: number | undefined } = { reserveBytes: 100 * MIB },
  totalBytes = GIB,
) {
  const clock = createManualClock(new Date(0));
  const memory = createMemoryStore();
  const disk = { freeBytes: GIB, measured: 0, respond: () => Promise.resolve() };
  const store = await openDiskReserve(memory, {
    directory: '/data',
    ...reserve,
    clock,
    measure: async () => {
      disk.measured += 1;
      await disk.respond();
      return { freeBytes: disk.freeBytes, totalBytes };
    },
  });
  const put = async (): Promise<unknown> => (await store.put([{ report: makeReport() }]))[0];
  return { clock, memory, disk, store, put };
}

test('at the reserve reports are stored, with one byte less they are rejected as retryable before anything is written', async () => {
  const { memory, disk, store, put } = await openOnDisk();

  disk.freeBytes = 100 * MIB;
  await store.check();
  await expect(put()).resolves.toStrictEqual({ status: 'stored' });
  disk.freeBytes -= 1;
  await expect(store.check()).rejects.toMatchObject({
    kind: 'unavailable',
    message: FULL,
    cause: { message: expect.stringMatching(/^\/data: 99 MiB are free, and the reserve is 100 MiB/) as string },
  });

  await expect(put()).resolves.toMatchObject({ status: 'failed', error: { message: FULL, retryAfterMs: 5_000 } });
  expect(memory.documents.size).toBe(1);
  expect(store.disk?.()).toStrictEqual({ freeBytes: 100 * MIB - 1, reserveBytes: 100 * MIB, isExhausted: true });
});

test('it goes on by itself, with a tenth more than the reserve', async () => {
  const { disk, store, put } = await openOnDisk();
  disk.freeBytes = 0;
  await expect(store.check()).rejects.toThrow(FULL);

  disk.freeBytes = 110 * MIB - 1;
  await expect(store.check()).rejects.toThrow(FULL);
  disk.freeBytes = 110 * MIB;
  await store.check();

  await expect(put()).resolves.toStrictEqual({ status: 'stored' });
  expect(store.disk?.()).toMatchObject({ isExhausted: false });
});

test.each([
  [100 * GIB, 512 * MIB],
  [10 * GIB, 512 * MIB],
  [10 * GIB - 20, 512 * MIB - 1],
  [GIB, Math.floor(GIB / 20)],
])('of %d bytes the default reserve is %d', async (totalBytes, reserveBytes) => {
  const { store } = await openOnDisk({ reserveBytes: undefined }, totalBytes);

  expect(store.disk?.()).toMatchObject({ reserveBytes });
});

test('a reserve of 0 rejects nothing', async () => {
  const { disk, store, put } = await openOnDisk({ reserveBytes: 0 });
  disk.freeBytes = 0;

  await store.check();
  await expect(put()).resolves.toStrictEqual({ status: 'stored' });
});

test('under load the space is measured at most every 100 ms, and writes do not wait for it', async () => {
  const { clock, disk, put } = await openOnDisk();
  disk.freeBytes = 0;

  for (let each = 0; each < 20; each += 1) await put();
  expect(disk.measured).toBe(1);
  clock.advance(99);
  await put();
  expect(disk.measured).toBe(1);
  clock.advance(1);
  await expect(put()).resolves.toStrictEqual({ status: 'stored' });
  await settle();

  expect(disk.measured).toBe(2);
  await expect(put()).resolves.toMatchObject({ status: 'failed' });
});

test('a file system that does not respond is reported in time, and is asked once', async () => {
  const { clock, disk, store, put } = await openOnDisk();
  const hanging = Promise.withResolvers<void>();
  disk.respond = () => hanging.promise;

  for (let each = 0; each < 3; each += 1) {
    const checked = store.check();
    await clock.asleep();
    clock.advance(2_000);
    await expect(checked).rejects.toThrow('the disk of the database does not respond. Retry later.');
    await put();
  }
  expect(disk.measured).toBe(2);

  hanging.resolve();
  await settle();
  await store.check();
});

test('a directory that cannot be measured is an error', async () => {
  const { disk, store } = await openOnDisk();
  disk.respond = () => Promise.reject(new Error('ENOENT: no such file or directory, statfs'));

  await expect(store.check()).rejects.toMatchObject({
    kind: 'unavailable',
    cause: { message: '/data: ENOENT: no such file or directory, statfs' },
  });
});

test('afterwards nothing sleeps, and a measurement that failed is made again', async () => {
  const { clock, disk, store } = await openOnDisk();
  disk.respond = () => Promise.reject(new Error('EIO'));
  for (let each = 0; each < 3; each += 1) await expect(store.check()).rejects.toThrow('does not respond');
  disk.respond = () => Promise.resolve();

  await expect(store.check()).resolves.toBeUndefined();

  expect([disk.measured, clock.sleepers()]).toStrictEqual([5, 0]);
});

test('lookups and the end are those of the store, and the space is that of its directory', async () => {
  const memory = createMemoryStore();
  const ends: string[] = [];
  const below = { ...memory, close: () => Promise.resolve(void ends.push('closed')) };
  const store = await openDiskReserve(below, {
    directory: '/',
    reserveBytes: 0,
    clock: createManualClock(new Date(0)),
  });
  const report = makeReport();
  await store.put([{ report }]);

  await expect(store.hasReportsFrom(report.clusterId)).resolves.toBe(true);
  await expect(store.hasReportsFrom('unknown')).resolves.toBe(false);
  const { bavail, bsize } = await statfs('/');
  const freeBytes = store.disk?.()?.freeBytes ?? 0;
  // Other programs use the disk meanwhile.
  expect(Math.abs(freeBytes - bavail * bsize)).toBeLessThan((bavail * bsize) / 10);
  await expect(store.close()).resolves.toBeUndefined();
  expect(ends).toStrictEqual(['closed']);
});

test('a check is also one of the store', async () => {
  const failure = new Error('the store failed');
  const store = await openDiskReserve(
    { ...createMemoryStore(), check: () => Promise.reject(failure) },
    { directory: '/', reserveBytes: 0, clock: createManualClock(new Date(0)) },
  );

  await expect(store.check()).rejects.toBe(failure);
});

test('the default reserve is a share of the whole file system, not of what is free', async () => {
  const store = await openDiskReserve(createMemoryStore(), {
    directory: '/',
    reserveBytes: undefined,
    clock: createManualClock(new Date(0)),
  });

  const { blocks, bsize } = await statfs('/');
  expect(store.disk?.()?.reserveBytes).toBe(Math.min(512 * MIB, Math.floor((blocks * bsize) / 20)));
});

test('a clock that was set back does not stop the measurements', async () => {
  const { clock, disk, put } = await openOnDisk();
  clock.advance(-1_000);

  await put();

  expect(disk.measured).toBe(2);
});
