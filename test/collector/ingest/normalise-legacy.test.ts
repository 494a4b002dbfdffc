import { readFile } from 'node:fs/promises';
import type { JsonValue } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';
import { createIngest } from '../../../src/collector/ingest/ingest.ts';
import type { Dialect } from '../../../src/collector/ingest/observer.ts';
import { readCoreosReport } from '../../../src/collector/legacy/coreos.ts';
import { readKubermaticReport } from '../../../src/collector/legacy/kubermatic.ts';
import { readSpartakusReport } from '../../../src/collector/legacy/spartakus.ts';
import { documentOf } from '../../../src/collector/store/encoded-document.ts';
import type { StoreEntry, Submission } from '../../../src/report/report-sink.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const PLANTED = 'jane.doe@acme.example';

async function readSample(name: string): Promise<JsonValue> {
  return JSON.parse(await readFile(new URL(`../../fixtures/${name}.json`, import.meta.url), 'utf8')) as JsonValue;
}

/** Texts that decide how a body is read, or that are ids, the administrator's or the client's own. */
const OWN = /uuid|id$|kind|timestamp|(?:^|\.)time$|^version$|^records\.\d+\.version$|extensions|received/i;

/** A copy of a body with a private text after each text, and in each key of a map of resources. */
function plant(value: JsonValue, path = ''): JsonValue {
  if (typeof value === 'string') return OWN.test(path) ? value : `${value} ${PLANTED}`;
  if (Array.isArray(value)) return value.map((item, index) => plant(item, `${path}.${index}`.replace(/^\./, '')));
  if (typeof value !== 'object' || value === null) return value;
  const planted = Object.entries(value).map(([key, member]) => [
    key,
    plant(member, `${path}.${key}`.replace(/^\./, '')),
  ]);
  return Object.fromEntries(path.endsWith('capacity') ? [...planted, [PLANTED, '1']] : planted) as JsonValue;
}

const kubermatic = (json: JsonValue): readonly Submission[] =>
  readKubermaticReport(json, { keepCountry: true }).entries;
const BODIES: [name: string, dialect: Dialect, read: (json: JsonValue) => readonly Submission[]][] = [
  ['legacy/spartakus-volunteer-report', 'spartakus', (json) => [{ report: readSpartakusReport(json) }]],
  ['legacy/coreos-report', 'coreos', (json) => [{ report: readCoreosReport(json) }]],
  ['kubermatic/report-v1', 'kubermatic', kubermatic],
  ['kubermatic/report-v2', 'kubermatic', kubermatic],
  ['kubermatic/record-kubermatic-v2', 'kubermatic', kubermatic],
  ['kubermatic/record-kubermatic-proposal', 'kubermatic', kubermatic],
];

/** The documents of submissions, as JSON. */
async function storedOf(submissions: readonly Submission[], dialect: Dialect, normaliseLegacy?: boolean) {
  const entries: StoreEntry[] = [];
  const ingest = createIngest({
    normaliseLegacy,
    clock: systemClock,
    randomBytes: (count) => new Uint8Array(count),
    limits: {
      maxPendingReports: 9,
      maxPendingBytes: 1e9,
      reportsPerHourPerCluster: 0,
      newClustersPerHourPerAddress: 0,
    },
    sink: {
      hasReportsFrom: () => Promise.resolve(true),
      put: (batch) => {
        entries.push(...batch);
        return Promise.resolve(batch.map(() => ({ status: 'stored' as const })));
      },
    },
  });
  for (const submission of submissions) await ingest.accept(submission, { origin: { protocol: 'http' }, dialect });
  return JSON.stringify(entries.map((entry) => documentOf(entry).document));
}

test.each(BODIES)('the values of %s are stored as they were sent', async (name, dialect, read) => {
  const body = plant(await readSample(name));

  await expect(storedOf(read(body), dialect)).resolves.toContain(PLANTED);
});

test.each(BODIES)('with --normalise-legacy, no private text in %s is stored', async (name, dialect, read) => {
  const body = plant(await readSample(name));

  await expect(storedOf(read(body), dialect, true)).resolves.not.toMatch(/jane|doe|acme/i);
});

test('with --normalise-legacy, known values stay, and the schema of new clients is not changed', async () => {
  const body = await readSample('legacy/spartakus-volunteer-report');
  const read = () => [{ report: readSpartakusReport(body) }];

  const stored = await storedOf(read(), 'spartakus', true);

  expect(stored).toContain('"osImage":"Debian GNU/Linux 12 (bookworm)"');
  expect(stored).toContain('{"resource":"memory","value":"15000000Ki"}');
  expect(await storedOf(read(), 'report', true)).toContain('{"resource":"memory","value":"15437428Ki"}');
});
