import { type ConnectRouter, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { CollectorService } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import type { ReportReceiver } from './report-receiver.ts';

export const ORIGIN = createContextKey<RequestOrigin>({ protocol: 'connect' });

/** CollectorService over Connect, gRPC-Web, and gRPC with JSON. For gRPC with protobuf, see grpc-handler.ts. */
export function createReportService(receiver: ReportReceiver): (router: ConnectRouter) => void {
  const originOf = ({ values }: HandlerContext): RequestOrigin => values.get(ORIGIN);
  return (router) =>
    router.service(CollectorService, {
      submitReport: async ({ report }, context) => ({ receipt: await receiver.submit(report, originOf(context)) }),
      async *streamReports(requests, context) {
        for await (const receipt of receiver.stream(requests, originOf(context), context.signal)) yield { receipt };
      },
      submitKubermaticReport: async ({ envelope }, context) => ({
        receipts: await receiver.submitEnvelope(envelope, originOf(context)),
      }),
    });
}
