import http2 from 'node:http2';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  Outcome,
  StreamReportsRequestSchema,
  StreamReportsResponseSchema,
  SubmitReportRequestSchema,
  SubmitReportResponseSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createGrpcFrameReader, encodeGrpcFrame } from '../../../src/collector/serve/rpc/grpc-frames.ts';
import { listen } from '../../support/listen.ts';
import { SUBMIT_PATH } from '../../support/raw-grpc.ts';

/** A baseline: Node.js' own HTTP/2 server and protobuf-es, with a receipt for each report; without limits, checks or a store. */
const server = http2.createServer();
server.on('stream', (stream: http2.ServerHttp2Stream, headers) => {
  const isUnary = headers[':path'] === SUBMIT_PATH;
  const request = isUnary ? SubmitReportRequestSchema : StreamReportsRequestSchema;
  const response = isUnary ? SubmitReportResponseSchema : StreamReportsResponseSchema;
  const reader = createGrpcFrameReader(2 ** 30);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.on('data', (chunk: Buffer) => {
    const answers = reader.push(chunk).map(({ bytes }) => {
      const { report } = fromBinary(request, bytes);
      const receipt = { reportId: report?.reportId ?? '', outcome: Outcome.STORED };
      return encodeGrpcFrame(toBinary(response, create(response, { receipt })));
    });
    if (answers.length > 0) stream.write(answers.length === 1 ? answers[0] : Buffer.concat(answers));
  });
  stream.on('end', () => stream.end());
});
process.stdout.write(`${await listen(server)}\n`);
