import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { WireType } from '@bufbuild/protobuf/wire';
import { calculateObjectSize, serialize } from 'bson';
import { expect, test } from 'vitest';
import { RecordSchema } from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import { ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { createIngest } from '../../../src/collector/ingest/ingest.ts';
import { documentOf } from '../../../src/collector/store/encoded-document.ts';
import type { StoreEntry, Submission } from '../../../src/report/report-sink.ts';
import { createManualClock } from '../../support/manual-clock.ts';

const text = (length: number): string => 'x'.repeat(length);
const listOf = <Item>(length: number, item: Item): Item[] => Array.from({ length }, () => item);
const unknown = (bytes: number) => [{ no: 99, wireType: WireType.LengthDelimited, data: new Uint8Array(bytes) }];
const report = (shape: MessageInitShape<typeof ReportSchema>) => ({
  report: create(ReportSchema, { clusterId: 'c', ...shape }),
});

/** What counts as pending while a submission is written, and the size of its document in BSON. */
async function measure(submission: Submission) {
  const writing = Promise.withResolvers<void>();
  const entries: StoreEntry[] = [];
  const ingest = createIngest({
    clock: createManualClock(new Date('2026-11-21T10:00:00Z')),
    randomBytes: (count) => new Uint8Array(count),
    keepUnknownFields: true,
    limits: {
      maxPendingReports: 10,
      maxPendingBytes: 1e9,
      reportsPerHourPerCluster: 0,
      newClustersPerHourPerAddress: 0,
    },
    sink: {
      hasReportsFrom: () => Promise.resolve(true),
      put: async (batch) => {
        entries.push(...batch);
        await writing.promise;
        return batch.map(() => ({ status: 'stored' as const }));
      },
    },
  });
  const accepted = ingest.accept(submission, { origin: { protocol: 'grpc' }, dialect: 'report' });
  await new Promise((resolve) => void setImmediate(resolve));
  const { bytes: pendingBytes } = ingest.pending();
  writing.resolve();
  await accepted;
  expect(ingest.pending().bytes).toBe(0);
  return { pendingBytes, documentBytes: calculateObjectSize(documentOf(entries[0]!).document) };
}

const NODE = {
  id: text(32),
  operatingSystem: 'linux',
  osImage: 'Debian GNU/Linux 12 (bookworm)',
  kernelVersion: '6.1.0-18-amd64',
  architecture: 'amd64',
  containerRuntimeVersion: 'containerd://1.7.3',
  kubeletVersion: 'v1.31.4',
  cloudProvider: 'aws',
};
const CAPACITY = [
  { resource: 'cpu', value: '4' },
  { resource: 'memory', value: '15000000Ki' },
  { resource: 'pods', value: '110' },
];
const CLUSTER = { exposeStrategy: 'NodePort', kubernetesServerVersion: '1.29.4', cloud: { providerName: 'aws' } };

test.each<[what: string, submission: Submission]>([
  ['an empty report', report({})],
  ['a report with long texts', report({ masterVersion: text(1_000), timestamp: text(1_000), version: text(1_000) })],
  ['a report of 100 nodes', report({ nodes: listOf(100, { ...NODE, capacity: CAPACITY }) })],
  ['a report of 100 nodes without resources', report({ nodes: listOf(100, NODE) })],
  [
    'a report of nodes with long texts',
    report({ nodes: listOf(10, { osImage: text(1_000), kernelVersion: text(1_000) }) }),
  ],
  [
    'a report of a node with 100 resources',
    report({ nodes: [{ capacity: listOf(100, { resource: 'cpu', value: '4' }) }] }),
  ],
  [
    'a report of resources with long names',
    report({ nodes: [{ capacity: listOf(20, { resource: text(300), value: '4' }) }] }),
  ],
  ['a report with 100 extensions', report({ extensions: listOf(100, { name: 'n', value: 'v' }) })],
  ['a report with long extensions', report({ extensions: listOf(20, { name: 'n', value: text(1_000) }) })],
  ['a report with unknown fields', { report: Object.assign(report({}).report, { $unknown: unknown(10_000) }) }],
  [
    'a record of 100 clusters',
    {
      kubermaticRecord: create(RecordSchema, {
        kind: 'k',
        version: 'v2',
        clientUuid: 'u',
        clusters: listOf(100, CLUSTER),
      }),
    },
  ],
  [
    'a report that another thread has encoded',
    {
      encodedDocument: {
        kind: 'report',
        clusterId: 'c',
        reportId: '',
        fields: serialize({ clusterID: 'c', nodes: listOf(100, NODE) }),
        droppedFields: 0,
      },
    },
  ],
])(
  '%s counts as pending with at least the size of its document, and with no more than three times as much',
  async (_what, submission) => {
    const { pendingBytes, documentBytes } = await measure(submission);

    expect(pendingBytes).toBeGreaterThanOrEqual(documentBytes);
    // Half a kilobyte for what a document has besides its content.
    expect(pendingBytes).toBeLessThan(3 * documentBytes + 512);
  },
);
