import { create } from '@bufbuild/protobuf';
import type { ServiceError } from '@grpc/grpc-js';
import {
  CollectorService,
  SubmitKubermaticReportRequestSchema,
} from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Envelope } from '../../gen/spartakus/kubermatic/v1/envelope_pb.js';
import { openGrpcClient } from '../delivery/transport/grpc-client.ts';
import { errorOf, outcomeOf } from '../delivery/transport/grpc.ts';
import { createSink, type TransportOptions } from '../delivery/transport/sink.ts';
import type { EnvelopeSink, Outcome } from '../report/report-sink.ts';
import { SpartakusError } from '../runtime/errors.ts';

/** Sends Kubermatic's report over gRPC. Throws a SpartakusError `invalid` where the URL or its proxy is wrong. */
export function openKubermaticGrpcSink(url: string, options: TransportOptions = {}): EnvelopeSink {
  const client = openGrpcClient(url, options, '--url');
  const send = async (envelope: Envelope): Promise<readonly Outcome[]> => {
    const request = create(SubmitKubermaticReportRequestSchema, { envelope });
    const { receipts } = await client
      .unary(CollectorService.method.submitKubermaticReport, request)
      .catch((error: unknown) => {
        // RESOURCE_EXHAUSTED is final, because it is a single report.
        throw error instanceof Error && 'metadata' in error ? errorOf(error as ServiceError, client, 1) : error;
      });
    return envelope.records.map((_, index) => {
      const receipt = receipts[index];
      if (receipt !== undefined) return outcomeOf(receipt, client.target);
      const message = `The collector at ${client.target} gave no receipt for a record.`;
      return { status: 'failed', error: new SpartakusError('internal', message) };
    });
  };
  return createSink({ send, count: ({ records }) => records.length, close: () => client.close() });
}
