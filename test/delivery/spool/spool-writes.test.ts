import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createCounters } from '../../../src/delivery/counters.ts';
import { openSpool, type Spool } from '../../../src/delivery/spool/spool.ts';
import { createVolume, type Volume } from '../../../src/delivery/spool/volume.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { ALL, idsOf } from '../../contract/spool.ts';
import { createKeptLog } from '../../support/log.ts';
import { makeReport } from '../../support/reports.ts';

const clock = { now: () => new Date() };
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
});
afterEach(() => rm(dir, { recursive: true }));

const open = (volume?: Volume): Promise<Spool> =>
  openSpool(
    { dir, maxBytes: 1_000_000 },
    { clock, logger: createKeptLog().logger, counters: createCounters(), ...(volume && { volume }) },
  );

/** A volume whose writes wait for the test, before or after the file is written. */
function createSlowVolume(when: 'before' | 'after') {
  const real = createVolume(dir, clock.now);
  const waiting: (() => void)[] = [];
  const state = { writing: 0, mostAtATime: 0 };
  const wait = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
  const volume: Volume = {
    ...real,
    write: async (id, frame) => {
      state.writing += 1;
      state.mostAtATime = Math.max(state.mostAtATime, state.writing);
      if (when === 'before') await wait();
      await real.write(id, frame);
      if (when === 'after') await wait();
      state.writing -= 1;
    },
  };
  return { volume, state, waiting: () => waiting.length, proceed: () => waiting.shift()?.() };
}

const SETTLED: readonly (readonly [string, (spool: Spool, id: string) => Promise<void>])[] = [
  ['delivered', (spool, id) => spool.remove(id)],
  ['rejected', (spool, id) => spool.reject(id, new SpartakusError('invalid', 'no'))],
];

test.each(
  SETTLED.flatMap(([what, settle]) => (['before', 'after'] as const).map((when) => ({ what, settle, when }) as const)),
)(
  'a report that is $what while it is written, $when its file is there, is not sent again',
  async ({ settle, when }) => {
    const { volume, waiting, proceed } = createSlowVolume(when);
    const spool = await open(volume);
    const report = makeReport();
    const added = spool.add(report);
    await expect.poll(waiting).toBe(1);
    expect(idsOf(await spool.oldest(ALL))).toStrictEqual([report.reportId]);

    await settle(spool, report.reportId);
    proceed();
    await added;

    await expect(spool.oldest(ALL)).resolves.toStrictEqual([]);
    await expect((await open()).oldest(ALL)).resolves.toStrictEqual([]);
  },
);

test('one report is written at a time, and each once', async () => {
  const { volume, state, waiting, proceed } = createSlowVolume('before');
  const spool = await open(volume);
  const reports = [makeReport(), makeReport(), makeReport()];
  const added = Promise.all(reports.map((report) => spool.add(report)));

  for (let written = 0; written < reports.length; written += 1) {
    await expect.poll(waiting).toBe(1);
    proceed();
  }
  await added;

  expect(state).toStrictEqual({ writing: 0, mostAtATime: 1 });
  expect(idsOf(await (await open()).oldest(ALL))).toStrictEqual(idsOf(reports));
});
