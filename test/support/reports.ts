import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Report, ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { createReportId } from '../../src/report/report-id.ts';

let made = 0;

/** A report with a cluster id of its own. */
export function makeReport(): Report {
  made += 1;
  const now = new Date(Date.UTC(2026, 10, 21) + made);
  return create(ReportSchema, {
    version: 'v2.0.0',
    timestamp: String(Math.floor(now.getTime() / 1000)),
    clusterId: `cluster-${made}`,
    nodes: [{ id: 'n', operatingSystem: 'linux', capacity: [{ resource: 'cpu', value: '4' }] }],
    reportId: createReportId(now, crypto.getRandomValues(new Uint8Array(16))),
    observedAt: timestampFromMs(now.getTime()),
    sequence: 1,
  });
}
