import { ConnectError, type ConnectRouter, createContextKey, type HandlerContext } from '@connectrpc/connect';
import { CollectorService } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Protocol } from '../../ingest/hooks.ts';
import type { Peer } from '../admission/request-origin.ts';
import { toConnectError } from '../error-status.ts';
import type { Caller, ReportReceiver } from './report-receiver.ts';

/** Whom a call is from. */
export const PEER = createContextKey<Peer>({});

/** CollectorService over Connect, gRPC-Web, and gRPC with JSON. gRPC with protobuf takes the straight road: see grpc-road.ts. */
export function createReportService(receiver: ReportReceiver): (router: ConnectRouter) => void {
  // Connect has these three, and no other.
  const callerOf = ({ values, protocolName }: HandlerContext): Caller => ({
    ...values.get(PEER),
    protocol: protocolName as Protocol,
  });
  return (router) =>
    router.service(CollectorService, {
      async submitReport({ report }, context) {
        try {
          return { receipt: await receiver.submit(report, callerOf(context)) };
        } catch (error) {
          throw toConnectError(SpartakusError.from(error));
        }
      },
      async *streamReports(requests, context) {
        try {
          for await (const receipt of receiver.stream(requests, callerOf(context), context.signal)) yield { receipt };
        } catch (error) {
          throw error instanceof ConnectError ? error : toConnectError(SpartakusError.from(error));
        }
      },
      async submitKubermaticReport({ envelope }, context) {
        try {
          return { receipts: await receiver.submitEnvelope(envelope, callerOf(context)) };
        } catch (error) {
          throw toConnectError(SpartakusError.from(error));
        }
      },
    });
}
