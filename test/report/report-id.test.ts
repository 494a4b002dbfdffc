import { expect, test } from 'vitest';
import { createCoarseReportId, createReportId, isReportId, startOfHour } from '../../src/report/report-id.ts';

const RANDOM = new Uint8Array(16).fill(0xab);
const msecsOf = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);

test('a report id is a UUIDv7 in lower case of the time and the random bytes', () => {
  const now = new Date('2026-11-21T10:35:12.345Z');
  const id = createReportId(now, RANDOM);

  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(isReportId(id)).toBe(true);
  expect(msecsOf(id)).toBe(now.getTime());
  expect(createReportId(now, RANDOM)).toBe(id);
  expect(createReportId(now, new Uint8Array(16))).not.toBe(id);
});

test.each([
  ['in upper case', '01890A5D-AC96-774B-BCCE-B302099A8057'],
  ['of version 4', '01890a5d-ac96-474b-bcce-b302099a8057'],
  ['that is too short', '01890a5d-ac96-774b-bcce-b302099a805'],
  ['without dashes', '01890a5dac96774bbcceb302099a8057'],
  ['that is empty', ''],
])('a text %s is no report id', (_what, text) => {
  expect(isReportId('01890a5d-ac96-774b-bcce-b302099a8057')).toBe(true);
  expect(isReportId(text)).toBe(false);
});

test.each([
  ['2026-11-21T10:00:00.000Z', '2026-11-21T10:00:00.000Z'],
  ['2026-11-21T10:00:00.001Z', '2026-11-21T10:00:00.000Z'],
  ['2026-11-21T10:59:59.999Z', '2026-11-21T10:00:00.000Z'],
])('the hour of %s began at %s', (time, start) => {
  expect(startOfHour(new Date(time)).toISOString()).toBe(start);
});

test('coarse ids of a run are in order, and tell the hour and the number of the report, not the time', () => {
  const hourMs = Date.UTC(2026, 10, 21, 10);
  const ids = [1, 2, 3].map((sequence) => createCoarseReportId(new Date('2026-11-21T10:35:12.345Z'), sequence, RANDOM));

  expect(ids.map(msecsOf)).toStrictEqual([hourMs + 1, hourMs + 2, hourMs + 3]);
  expect(ids.toSorted()).toStrictEqual(ids);
});

test('a coarse id stays within its hour, however long the run', () => {
  const hour = new Date('2026-11-21T10:00:00.000Z');
  const lastMs = Date.parse('2026-11-21T10:59:59.999Z');

  for (const sequence of [3_599_999, 3_600_000, 4_000_000_000])
    expect(msecsOf(createCoarseReportId(hour, sequence, RANDOM))).toBe(lastMs);
});
