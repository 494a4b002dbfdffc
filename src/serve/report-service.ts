import { ConnectError, type ConnectRouter, createContextKey } from '@connectrpc/connect';

import { CollectorService } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { SpartakusError } from '../report/errors.ts';
import type { ReportReceiver } from './report-receiver.ts';
import { toConnectError } from './status.ts';
import type { Peer } from './peer.ts';

/** Whom a call is from. */
export const PEER = createContextKey<Peer>({});

/** CollectorService over Connect, gRPC-Web, and gRPC with JSON. gRPC with protobuf takes the straight road: see grpc-road.ts. */
export function createReportService(receiver: ReportReceiver): (router: ConnectRouter) => void {
  return (router) =>
    router.service(CollectorService, {
      async submitReport({ report }, { values }) {
        try {
          return { receipt: await receiver.submit(report, values.get(PEER)) };
        } catch (error) {
          throw toConnectError(SpartakusError.from(error));
        }
      },
      async *streamReports(requests, { values, signal }) {
        try {
          for await (const receipt of receiver.stream(requests, values.get(PEER), signal)) yield { receipt };
        } catch (error) {
          throw error instanceof ConnectError ? error : toConnectError(SpartakusError.from(error));
        }
      },
    });
}
