import { readFile } from 'node:fs/promises';
import type { JsonValue } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { readCoreosReport } from '../../../src/collector/legacy/coreos.ts';
import { readSpartakusReport } from '../../../src/collector/legacy/spartakus.ts';
import { parseJson } from '../../../src/report/go-json.ts';
import { toDocument } from '../../../src/report/stored-document.ts';
import { validateReport } from '../../../src/report/validate.ts';
import { SpartakusError } from '../../../src/runtime/errors.ts';
import { brokenBodies } from '../../support/broken-bodies.ts';
import { startTestCollector, type TestCollector } from '../../support/collector.ts';
import { sampled } from '../../support/sampled.ts';

const SEED = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 2 ** 31);
const BODIES = sampled(300, 3_000);
const AT_ONCE = 200;

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector({ limits: { reportsPerHourPerCluster: 0 } });
});

beforeEach(async () => {
  await collector.reports.deleteMany({});
});

afterAll(() => collector.close());

const DIALECTS: readonly [string, string, string, (json: JsonValue) => Report][] = [
  ['Spartakus', '/api/v1', 'spartakus-volunteer-report', readSpartakusReport],
  ['CoreOS', '/api/coreos/v1', 'coreos-report', readCoreosReport],
];

describe.each(DIALECTS)(
  `${BODIES} broken bodies of %s (seed ${SEED}; SPARTAKUS_TEST_SEED repeats it)`,
  (_name, path, sample, read) => {
    /** The report that a body should become, without an id; undefined if it must be rejected. */
    const expected = (body: Buffer): Report | undefined => {
      try {
        const report = read(parseJson(body));
        validateReport(report, { requireClusterId: false });
        return report;
      } catch (error) {
        if (error instanceof SpartakusError && error.kind === 'invalid') return undefined;
        throw error;
      }
    };

    test('each is stored whole or rejected with 400 and a reason', async () => {
      const text = await readFile(new URL(`../../fixtures/legacy/${sample}.json`, import.meta.url), 'utf8');
      const bodies = fc.sample(brokenBodies(text), { seed: SEED, numRuns: BODIES });
      const answers: { readonly status: number; readonly text: string }[] = [];
      for (let start = 0; start < bodies.length; start += AT_ONCE) {
        const sent = bodies.slice(start, start + AT_ONCE).map(async (body) => {
          const headers = { 'content-type': 'application/json' };
          const response = await fetch(collector.url + path, { method: 'POST', headers, body: new Uint8Array(body) });
          return { status: response.status, text: await response.text() };
        });
        answers.push(...(await Promise.all(sent)));
      }
      const stored = await collector.reports.find().toArray();

      const reports = bodies.map(expected);
      expect(answers.map(({ status }) => status)).toStrictEqual(
        reports.map((report) => (report === undefined ? 400 : 204)),
      );
      expect(
        answers.filter(({ status, text: answer }) => status === 400 && !/^Error: .{10,}\n$/s.test(answer)),
      ).toStrictEqual([]);
      // Both kinds are there, or the test would show nothing.
      expect(new Set(answers.map(({ status }) => status)).size).toBe(2);
      const content = (document: object): string => JSON.stringify({ ...document, _id: '', receivedAt: '' });
      const whole = new Set(
        reports.flatMap((report) => (report === undefined ? [] : [content(toDocument(report, new Date(0)))])),
      );
      expect(new Set(stored.map(content))).toStrictEqual(whole);
      // All clusters of this test have one address.
      expect(collector.complaints.filter((message) => !/--trusted-proxies/.test(message))).toStrictEqual([]);
    });
  },
);
