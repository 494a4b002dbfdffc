import type { IncomingHttpHeaders } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { ConnectRouter } from '@connectrpc/connect';
import { Health } from '../../../gen/grpc/health/v1/health_pb.js';
import * as reflectionV1 from '../../../gen/grpc/reflection/v1/reflection_pb.js';
import * as reflectionV1alpha from '../../../gen/grpc/reflection/v1alpha/reflection_pb.js';
import { CollectorService } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import type { Ingest } from '../ingest/ingest.ts';
import { createRate } from '../ingest/rate.ts';
import type { Gate } from './admission/authenticator.ts';
import type { Limits } from './admission/limits.ts';
import { createBodyBudget } from './admission/memory-limiter.ts';
import type { Peer, PeerFinder } from './admission/request-origin.ts';
import type { OnRefusal } from './console/rejections.ts';
import { createHttpHandler, createHttpRoutes, type ServerReply, type ServerRequest } from './http/http.ts';
import { createConnectRoad } from './rpc/connect-handler.ts';
import { createGrpcRoad } from './rpc/grpc-handler.ts';
import { createHealthService, type HealthState } from './rpc/health-service.ts';
import { createReflectionService } from './rpc/reflection-service.ts';
import { createReportReceiver } from './rpc/report-receiver.ts';
import { createReportService } from './rpc/report-service.ts';

export interface RoutesOptions {
  readonly ingest: Ingest;
  readonly health: HealthState;
  readonly version: string;
  /** See ReportReceiverOptions. */
  readonly nextReportAfterMs?: number;
  readonly limits: Limits;
  /** See HttpRouteOptions. */
  readonly keepCountry: boolean;
  readonly findPeer: PeerFinder;
  /** Asked by every road on which a report comes, with the request's headers, before its body is read. Health and reflection are for everybody. */
  readonly gate: Gate;
  /** Aborted when the collector stops. */
  readonly stopping: AbortSignal;
  readonly clock: Clock;
  /** Told of everything that a client was refused. */
  readonly onRefusal: OnRefusal;
  readonly logger: Logger;
}

/** Everything that the collector answers. */
export interface Routes {
  /** Answers a request of either version of HTTP. */
  request(req: ServerRequest, res: ServerReply): void;
  /** Answers a stream of HTTP/2, or says that `request` should, and leaves it untouched. */
  stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean;
}

/** How many seconds' worth of requests an address may send at once, after a rest. */
const BURST_SECONDS = 5;

export function createRoutes(options: RoutesOptions): Routes {
  const { ingest, health, version, limits, keepCountry, findPeer, gate, stopping, clock, onRefusal, logger } = options;
  const count = limits.requestsPerSecondPerAddress;
  const rate =
    count === 0 ? undefined : createRate({ count, perMs: 1_000, burst: count * BURST_SECONDS, now: () => clock.now() });
  const admitRequest = ({ source }: Peer): void => {
    const waitMs = source === undefined ? 0 : (rate?.take(source) ?? 0);
    if (waitMs > 0)
      throw new SpartakusError('overloaded', `an address may send ${count} requests a second: send it again later`, {
        retryAfterMs: waitMs,
      });
  };
  const admitReport = (headers: IncomingHttpHeaders, peer: Peer): void => {
    admitRequest(peer);
    gate(headers);
    ingest.requireRoom();
  };
  const pace = async ({ source }: Peer, signal: AbortSignal): Promise<void> => {
    const waitMs = source === undefined ? 0 : (rate?.reserve(source) ?? 0);
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  };

  const budget = createBodyBudget(limits.maxBodyBytes);
  const receiver = createReportReceiver({ ...options, pace });
  const services = [CollectorService, Health];
  const register = [
    createReportService(receiver),
    createHealthService(
      health,
      services.map(({ typeName }) => typeName),
      stopping,
    ),
    createReflectionService([
      ...services.map(({ file }) => file),
      reflectionV1.file_grpc_reflection_v1_reflection,
      reflectionV1alpha.file_grpc_reflection_v1alpha_reflection,
    ]),
  ];
  const connectRoad = createConnectRoad({
    routes: (router: ConnectRouter) => register.forEach((add) => add(router)),
    maxProtobufBytes: limits.maxProtobufBytes,
    maxJsonBytes: limits.maxJsonBytes,
    bodyTimeoutMs: limits.bodyTimeoutMs,
    budget,
    admit: (path, headers, peer) =>
      path.startsWith(`/${CollectorService.typeName}/`) ? admitReport(headers, peer) : admitRequest(peer),
    stopping,
    onRefusal,
    logger,
  });
  const grpcRoad = createGrpcRoad({
    receiver,
    maxMessageBytes: limits.maxProtobufBytes,
    bodyTimeoutMs: limits.bodyTimeoutMs,
    budget,
    admit: admitReport,
    onRefusal,
  });
  const httpRoutes = createHttpRoutes({
    ingest,
    admit: admitReport,
    version,
    maxJsonBytes: limits.maxJsonBytes,
    keepCountry,
    isReady: () => health.serving,
  });
  const answerHttp = createHttpHandler(httpRoutes, { budget, bodyTimeoutMs: limits.bodyTimeoutMs, onRefusal });
  return {
    request(req, res) {
      const peer = findPeer(req);
      if (!connectRoad(req, res, peer)) answerHttp(req, res, peer);
    },
    stream: (stream, headers) => grpcRoad(stream, headers, findPeer({ headers, socket: stream.session?.socket ?? {} })),
  };
}
