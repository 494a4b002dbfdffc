import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  StreamReportsRequestSchema,
  SubmitReportRequestSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { createGrpcFrameReader, encodeGrpcFrame } from '../../src/collector/serve/rpc/grpc-frames.ts';
import { legacyJson } from './protocols.ts';
import { makeReport } from './reports.ts';

/** Clients on bare node:http2 and node:http, which cost little, for tests that send much. */

export const SUBMIT_PATH = '/spartakus.collector.v1.CollectorService/SubmitReport';
export const STREAM_PATH = '/spartakus.collector.v1.CollectorService/StreamReports';

/** The gRPC frame of a SubmitReport request. */
export function submitFrame(report: Report = makeReport()): Buffer {
  return encodeGrpcFrame(toBinary(SubmitReportRequestSchema, create(SubmitReportRequestSchema, { report })));
}

/** The gRPC frame of one message of a StreamReports request. */
export function streamFrame(report: Report = makeReport()): Buffer {
  return encodeGrpcFrame(toBinary(StreamReportsRequestSchema, create(StreamReportsRequestSchema, { report })));
}

/** Opens a gRPC call; its request is what is written to the stream. */
export function openCall(session: http2.ClientHttp2Session, path: string): http2.ClientHttp2Stream {
  return session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
}

/** Resolves with the headers or trailers that hold the status of a call; rejects where the stream fails before. */
function grpcStatus(stream: http2.ClientHttp2Stream): Promise<http2.IncomingHttpHeaders> {
  return new Promise((resolve, reject) => {
    const onHeaders = (headers: http2.IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== undefined) resolve(headers);
    };
    stream.on('response', onHeaders);
    stream.on('trailers', onHeaders);
    stream.on('error', reject);
    stream.on('close', () => reject(new Error('the stream closed without a grpc-status')));
  });
}

/** Resolves with the messages of a call's response once the call has ended. */
export async function readMessages(stream: http2.ClientHttp2Stream): Promise<readonly Uint8Array[]> {
  const reader = createGrpcFrameReader(1_000_000);
  const messages: Uint8Array[] = [];
  for await (const chunk of stream) messages.push(...reader.push(chunk as Buffer).map(({ bytes }) => bytes));
  return messages;
}

/** Submits a report in a call of its own, and resolves with its trailers. */
export function submit(session: http2.ClientHttp2Session, frame = submitFrame()): Promise<http2.IncomingHttpHeaders> {
  const stream = openCall(session, SUBMIT_PATH);
  const status = grpcStatus(stream);
  stream.resume();
  stream.end(frame);
  return status;
}

/** Posts a body to the legacy JSON API, and resolves with the response, whose body is read and dropped. */
export function postLegacy(
  url: string,
  agent: http.Agent,
  body = legacyJson(makeReport()),
  headers: http.OutgoingHttpHeaders = {},
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = http.request(
      `${url}/api/v1`,
      { method: 'POST', agent, headers: { 'content-type': 'application/json', ...headers } },
      (response) => response.resume().on('end', () => resolve(response)),
    );
    request.on('error', reject);
    request.end(body);
  });
}
