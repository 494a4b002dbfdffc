import { readFile } from 'node:fs/promises';
import type { JsonValue } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { readKubermaticReport } from '../../../src/collector/legacy/kubermatic.ts';
import { foldKey, parseJson } from '../../../src/report/go-json.ts';
import { toDocument, toKubermaticDocument } from '../../../src/report/stored-document.ts';
import { validateKubermaticRecord, validateReport } from '../../../src/report/validate.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { brokenBodies } from '../../support/broken-bodies.ts';
import { startTestCollector, type TestCollector } from '../../support/collector.ts';
import { byKind } from '../../support/kubermatic-submission.ts';
import { sampled } from '../../support/sampled.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
/** Of each sample. */
const BODIES = sampled(200, 1_500);
const BODIES_OVER_HTTP = sampled(60, 150);
const AT_ONCE = 200;
const MARK = 'planted-mark';
const PRIVATE_KEYS = new Set(['externalip', 'location', 'clientlocation', 'masterlocation', 'country', 'countrycode']);

const isPrivate = (key: string): boolean => PRIVATE_KEYS.has(foldKey(key).replaceAll('_', ''));

/** A sample in whose every place and address there is a mark. */
async function markedSample(name: string): Promise<string> {
  const text = await readFile(new URL(`../../fixtures/kubermatic/${name}.json`, import.meta.url), 'utf8');
  const mark = (value: unknown): unknown => {
    if (typeof value === 'string') return MARK;
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mark(item)]));
  };
  return JSON.stringify(JSON.parse(text, (key, value: unknown) => (isPrivate(key) ? mark(value) : value)));
}

interface Stored {
  readonly reports: readonly object[];
  readonly records: readonly object[];
}

/** What of a document the test can foresee. */
const content = (document: object): string => JSON.stringify({ ...document, _id: '', receivedAt: '' });

/** What should be stored for a body; undefined where it should be rejected, which must be with a reason. */
function expected(body: Buffer): Stored | undefined {
  try {
    const { reports, records } = byKind(readKubermaticReport(parseJson(body), { keepCountry: false }));
    for (const report of reports) validateReport(report, { requireClusterId: false });
    for (const record of records) validateKubermaticRecord(record);
    return {
      reports: reports.map((report) => toDocument(report, new Date(0))),
      records: records.map((record) => toKubermaticDocument(record, new Date(0))),
    };
  } catch (error) {
    if (error instanceof SpartakusError && error.kind === 'invalid' && error.message.length > 10) return undefined;
    throw error;
  }
}

/** Whether a mark stands where it may be taken for something else, as where bytes between two texts were cut out. */
function isMarkElsewhere(body: Buffer): boolean {
  const withoutPlaces = JSON.parse(body.toString(), (key, value: unknown) =>
    isPrivate(key) ? undefined : value,
  ) as JsonValue;
  return JSON.stringify(withoutPlaces).includes(MARK);
}

describe.each(['report-v1', 'report-v1-location', 'report-v2', 'record-kubermatic-v2', 'record-kubermatic-proposal'])(
  `broken bodies of %s (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`,
  (name) => {
    test('each is read or rejected with a reason, and no place or address is in what would be stored', async () => {
      const bodies = fc.sample(brokenBodies(await markedSample(name)), { seed: SEED, numRuns: BODIES });

      const outcomes = bodies.map((body) => ({ body, stored: expected(body) }));

      const leaks = outcomes.filter(
        ({ body, stored }) => stored !== undefined && JSON.stringify(stored).includes(MARK) && !isMarkElsewhere(body),
      );
      expect(leaks.map(({ body }) => body.toString())).toStrictEqual([]);
      expect(new Set(outcomes.map(({ stored }) => stored === undefined)).size).toBe(2);
    });
  },
);

describe('over HTTP', () => {
  let collector: TestCollector;

  beforeAll(async () => {
    collector = await startTestCollector();
  });

  beforeEach(async () => {
    await collector.reports.deleteMany({});
    await collector.kubermaticRecords.deleteMany({});
  });

  afterAll(() => collector.close());

  test.each(['report-v2', 'record-kubermatic-proposal'])(
    `broken bodies of %s are stored whole or rejected with 400 and a reason (seed ${SEED})`,
    async (name) => {
      const bodies = fc.sample(brokenBodies(await markedSample(name)), { seed: SEED, numRuns: BODIES_OVER_HTTP });
      const answers: { readonly status: number; readonly text: string }[] = [];
      for (let start = 0; start < bodies.length; start += AT_ONCE) {
        const sent = bodies.slice(start, start + AT_ONCE).map(async (body) => {
          const headers = { 'content-type': 'application/json' };
          const response = await fetch(`${collector.url}/api/kubermatic/v1`, {
            method: 'POST',
            headers,
            body: new Uint8Array(body),
          });
          return { status: response.status, text: await response.text() };
        });
        answers.push(...(await Promise.all(sent)));
      }

      const should = bodies.map(expected);
      expect(answers.map(({ status }) => status)).toStrictEqual(
        should.map((stored) => (stored === undefined ? 400 : 204)),
      );
      expect(answers.filter(({ status, text }) => status === 400 && !/^Error: .{10,}\n$/s.test(text))).toStrictEqual(
        [],
      );
      const storedReports = await collector.reports.find().toArray();
      const storedRecords = await collector.kubermaticRecords.find().toArray();
      expect(new Set(storedReports.map(content))).toStrictEqual(
        new Set(should.flatMap((stored) => stored?.reports ?? []).map(content)),
      );
      expect(new Set(storedRecords.map(content))).toStrictEqual(
        new Set(should.flatMap((stored) => stored?.records ?? []).map(content)),
      );
      expect(collector.complaints).toStrictEqual([]);
    },
  );
});
