import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  CollectorService,
  Outcome,
  ReceiptSchema,
  type StreamReportsRequest,
  StreamReportsRequestSchema,
  type StreamReportsResponse,
  StreamReportsResponseSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';

type Stream = ServerDuplexStream<StreamReportsRequest, StreamReportsResponse>;
export type ReceiptInit = MessageInitShape<typeof ReceiptSchema>;

/** A collector on 127.0.0.1 that speaks gRPC over grpc-js, and keeps reports in memory. */
export interface GrpcCollector {
  readonly port: number;
  readonly stored: Map<string, Report>;
  /** The handler of each stream; by default it sends the receipts in reverse order once the client has ended its side. */
  serve: (stream: Stream) => void;
  /** The Authorization of each stream; undefined where it had none. */
  readonly authorizations: (string | undefined)[];
  /** The receipt of one report. */
  receiptOf: (report: Report) => ReceiptInit;
  close(): void;
}

/** Waits for the client to end its side, and then sends a receipt for each report, the last one first. */
function answerInReverse(stream: Stream, receiptOf: (report: Report) => ReceiptInit): void {
  const reports: Report[] = [];
  stream.on('data', ({ report }: StreamReportsRequest) => {
    if (report !== undefined) reports.push(report);
  });
  stream.on('end', () => {
    for (const report of reports.toReversed())
      stream.write(create(StreamReportsResponseSchema, { receipt: receiptOf(report) }));
    stream.end();
  });
}

export async function startGrpcCollector(
  credentials = ServerCredentials.createInsecure(),
  fixedPort = 0,
): Promise<GrpcCollector> {
  const stored = new Map<string, Report>();
  const server = new Server();
  const collector: GrpcCollector = {
    port: 0,
    stored,
    authorizations: [],
    serve: (stream) => answerInReverse(stream, (report) => collector.receiptOf(report)),
    receiptOf: (report) => {
      const outcome = stored.has(report.reportId) ? Outcome.DUPLICATE : Outcome.STORED;
      stored.set(report.reportId, report);
      return { reportId: report.reportId, outcome };
    },
    close: () => server.forceShutdown(),
  };
  const method = {
    path: `/${CollectorService.typeName}/${CollectorService.method.streamReports.name}`,
    requestStream: true,
    responseStream: true,
    requestSerialize: (message: StreamReportsRequest) => Buffer.from(toBinary(StreamReportsRequestSchema, message)),
    requestDeserialize: (bytes: Buffer) => fromBinary(StreamReportsRequestSchema, bytes),
    responseSerialize: (message: StreamReportsResponse) => Buffer.from(toBinary(StreamReportsResponseSchema, message)),
    responseDeserialize: (bytes: Buffer) => fromBinary(StreamReportsResponseSchema, bytes),
  };
  server.addService(
    { streamReports: method },
    {
      streamReports: (stream: Stream) => {
        collector.authorizations.push(stream.metadata.get('authorization')[0]?.toString());
        collector.serve(stream);
      },
    },
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${fixedPort}`, credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return Object.assign(collector, { port });
}
