import { create } from '@bufbuild/protobuf';
import { expect, test } from 'vitest';

import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createIngest } from '../../src/ingest/ingest.ts';
import { SpartakusError } from '../../src/report/errors.ts';
import type { Outcome, StoreEntry } from '../../src/report/ports.ts';
import { createManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-11-21T10:00:00Z');
const REQUIRE = { requireClusterId: true };

/** An ingest before a sink that answers as the test says, and keeps what it was given. */
function makeIngest(answer: (entry: StoreEntry) => Outcome = () => ({ status: 'stored' })) {
  const entries: StoreEntry[] = [];
  const ingest = createIngest({
    clock: createManualClock(NOW),
    limits: { maxPendingReports: 100, maxPendingBytes: 1_000_000 },
    randomBytes: (count) => new Uint8Array(count).fill(0xab),
    sink: {
      put: (batch) => {
        entries.push(...batch);
        return Promise.resolve(batch.map(answer));
      },
    },
  });
  return { ingest, entries };
}

test('a report without an id is given a UUIDv7 of the moment it came', async () => {
  const { ingest, entries } = makeIngest();

  const accepted = await ingest.accept(create(ReportSchema, { clusterId: 'c' }), REQUIRE);

  expect(accepted.status).toBe('stored');
  expect(accepted.reportId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(Number.parseInt(accepted.reportId.replaceAll('-', '').slice(0, 12), 16)).toBe(NOW.getTime());
  expect(entries).toMatchObject([{ receivedAt: NOW, report: { reportId: accepted.reportId } }]);
});

test('a report with an id keeps it', async () => {
  const reportId = '01890a5d-ac96-774b-bcce-b302099a8057';
  const { ingest } = makeIngest(() => ({ status: 'duplicate' }));

  await expect(ingest.accept(create(ReportSchema, { clusterId: 'c', reportId }), REQUIRE)).resolves.toStrictEqual({
    reportId,
    status: 'duplicate',
  });
});

test('a report that breaks a rule does not reach the sink', async () => {
  const { ingest, entries } = makeIngest();

  await expect(ingest.accept(create(ReportSchema, {}), REQUIRE)).rejects.toMatchObject({ kind: 'invalid', field: 'clusterID' });
  expect(entries).toStrictEqual([]);
});

test("a report that the sink could not store is told so with the sink's own error, and the others are not", async () => {
  const full = new SpartakusError('unavailable', 'the disk is full');
  const { ingest } = makeIngest((entry) => ('report' in entry && entry.report.clusterId === 'b' ? { status: 'failed', error: full } : { status: 'stored' }));

  const settled = await Promise.allSettled(['a', 'b', 'c'].map((clusterId) => ingest.accept(create(ReportSchema, { clusterId }), REQUIRE)));

  expect(settled.map(({ status }) => status)).toStrictEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(settled[1]).toMatchObject({ reason: full });
});

test("a record of Kubermatic's takes the same way: an id, the rules, the sink, and the sender beside it", async () => {
  const { ingest, entries } = makeIngest();
  const record = create(RecordSchema, { kind: 'kubermatic' });

  const accepted = await ingest.acceptKubermatic(record, { country: 'DE' });
  const refused = ingest.acceptKubermatic(create(RecordSchema, { reportId: 'x' }), {});

  await expect(refused).rejects.toMatchObject({ kind: 'invalid', field: 'reportID' });
  expect(accepted).toStrictEqual({ reportId: record.reportId, status: 'stored' });
  expect(entries).toStrictEqual([{ kubermaticRecord: record, receivedAt: NOW, country: 'DE' }]);
});
