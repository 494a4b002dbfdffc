import { type ConnectRouter, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { CollectorService } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { RequestOrigin } from '../../../report/request-origin.ts';
import type { CallMessages } from './call-messages.ts';
import type { CallMessage } from './limited-body.ts';
import type { ReportReceiver } from './report-receiver.ts';

export const ORIGIN = createContextKey<RequestOrigin>({ protocol: 'connect' });
export const MESSAGES = createContextKey<CallMessages | undefined>(undefined);

/** CollectorService over Connect, gRPC-Web, and gRPC with JSON. For gRPC with protobuf, see grpc-handler.ts. */
export function createReportService(receiver: ReportReceiver): (router: ConnectRouter) => void {
  const originOf = ({ values }: HandlerContext): RequestOrigin => values.get(ORIGIN);
  /** The next message of a call, beside what Connect decoded of it. */
  const messageOf = ({ values }: HandlerContext): Partial<CallMessage> => values.get(MESSAGES)?.take() ?? {};
  return (router) =>
    router.service(CollectorService, {
      submitReport: async ({ report, validateOnly }, context) => {
        const { decoded, reservation } = messageOf(context);
        const request = { report, decoded, validateOnly };
        const receipt = await receiver.submit(request, originOf(context)).finally(() => reservation?.end());
        return { receipt };
      },
      async *streamReports(requests, context) {
        const received = async function* () {
          for await (const { report } of requests) yield [{ report, ...messageOf(context) }];
        };
        for await (const receipts of receiver.stream(received(), originOf(context), context.signal))
          for (const receipt of receipts) yield { receipt };
      },
      submitKubermaticReport: async ({ envelope }, context) => {
        const { decoded, reservation } = messageOf(context);
        const receipts = await receiver
          .submitEnvelope({ envelope, decoded }, originOf(context))
          .finally(() => reservation?.end());
        return { receipts };
      },
    });
}
