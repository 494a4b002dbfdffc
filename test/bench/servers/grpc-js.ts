import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import {
  Outcome,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
  SubmitReportRequestSchema,
  SubmitReportResponseSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../../gen/spartakus/report/v1/report_pb.js';
import { STREAM_PATH, SUBMIT_PATH } from '../../support/raw-grpc.ts';

/** A baseline: the same service by grpc-js with protobuf-es, which stores nothing. */
interface Request {
  readonly report?: Report | undefined;
}

const receiptOf = ({ report }: Request) => ({ reportId: report?.reportId ?? '', outcome: Outcome.STORED });
const path = { submit: SUBMIT_PATH, stream: STREAM_PATH };
const server = new grpc.Server();
server.addService(
  {
    submit: {
      path: path.submit,
      requestStream: false,
      responseStream: false,
      requestDeserialize: (bytes: Buffer) => fromBinary(SubmitReportRequestSchema, bytes),
      requestSerialize: () => Buffer.alloc(0),
      responseSerialize: (request: Request) =>
        Buffer.from(
          toBinary(SubmitReportResponseSchema, create(SubmitReportResponseSchema, { receipt: receiptOf(request) })),
        ),
      responseDeserialize: (bytes: Buffer) => bytes,
    },
    stream: {
      path: path.stream,
      requestStream: true,
      responseStream: true,
      requestDeserialize: (bytes: Buffer) => fromBinary(StreamReportsRequestSchema, bytes),
      requestSerialize: () => Buffer.alloc(0),
      responseSerialize: (request: Request) =>
        Buffer.from(
          toBinary(StreamReportsResponseSchema, create(StreamReportsResponseSchema, { receipt: receiptOf(request) })),
        ),
      responseDeserialize: (bytes: Buffer) => bytes,
    },
  },
  {
    submit: (call: grpc.ServerUnaryCall<Request, Request>, callback: grpc.sendUnaryData<Request>) =>
      callback(null, call.request),
    stream: (call: grpc.ServerDuplexStream<Request, Request>) => {
      call.on('data', (request: Request) => call.write(request));
      call.on('end', () => call.end());
    },
  },
);
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.stdout.write(`${port}\n`);
});
