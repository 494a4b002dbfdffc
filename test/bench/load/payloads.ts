import { readFileSync } from 'node:fs';
import { create, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  StreamReportsRequestSchema,
  SubmitReportRequestSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { NodeSchema, type Report, ReportSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { encodeGrpcFrame } from '../../../src/collector/serve/rpc/grpc-frames.ts';

/** What the load generator sends. The cluster ids differ, and so do the ids of protobuf reports. */

interface LegacyReport {
  readonly clusterID: string;
  readonly nodes: readonly { readonly id: string }[];
}

const FIXTURE = new URL('../../fixtures/legacy/spartakus-volunteer-report.json', import.meta.url);
const legacy = JSON.parse(readFileSync(FIXTURE, 'utf8')) as LegacyReport;
const VARIANTS = 256;
const hex = (number: number, digits: number): string => number.toString(16).padStart(digits, '0');

function legacyNodes(count: number): readonly LegacyReport['nodes'][number][] {
  return Array.from({ length: count }, (_, index) => {
    const node = legacy.nodes[index % legacy.nodes.length];
    return { ...node, id: hex(index, 32) };
  });
}

/** Bodies of the original volunteer, as its Go program encodes them: without spaces. */
export function legacyBodies(nodes: number): readonly Buffer[] {
  return Array.from({ length: nodes > 1_000 ? 1 : VARIANTS }, (_, index) =>
    Buffer.from(
      JSON.stringify({
        ...legacy,
        clusterID: `${legacy.clusterID.slice(0, -12)}${hex(index, 12)}`,
        nodes: legacyNodes(nodes),
      }),
    ),
  );
}

const FIRST_ID = '019a0000-0000-7000-8000-000000000000';

/** A report of a new volunteer; of one node, a small one, so that the protocol dominates. */
export function makeLoadReport(nodes: number): Report {
  // Of today, as most: reports of another day have an entry in one more index.
  const nowMs = Date.now();
  return create(ReportSchema, {
    version: 'v2.0.0',
    timestamp: String(Math.floor(nowMs / 1000)),
    clusterId: legacy.clusterID,
    reportId: FIRST_ID,
    observedAt: timestampFromMs(nowMs),
    sequence: 1,
    nodes:
      nodes === 1
        ? [{ id: 'n', operatingSystem: 'linux', capacity: [{ resource: 'cpu', value: '4' }] }]
        : legacyNodes(nodes).map((node) => fromJson(NodeSchema, node as unknown as JsonValue)),
  });
}

/** Makes gRPC frames with reports whose ids no other frame of this run has. */
export function createFrames(nodes: number, kind: 'unary' | 'stream'): () => Buffer {
  const schema = kind === 'unary' ? SubmitReportRequestSchema : StreamReportsRequestSchema;
  const template = encodeGrpcFrame(toBinary(schema, create(schema, { report: makeLoadReport(nodes) })));
  const idAt = template.indexOf(FIRST_ID);
  const clusterAt = template.indexOf(legacy.clusterID);
  // What makes the ids of this run its own.
  const run = hex(Date.now() % 2 ** 40, 10);
  const runId = `${run.slice(0, 8)}-${run.slice(8)}00-7000-8000-`;
  let made = 0;
  return () => {
    const frame = Buffer.from(template);
    made += 1;
    frame.write(runId, idAt, 'latin1');
    frame.write(hex(made, 12), idAt + 24, 'latin1');
    frame.write(hex(made % VARIANTS, 12), clusterAt + 24, 'latin1');
    return frame;
  };
}
