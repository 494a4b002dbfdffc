import { Code, ConnectError, type ConnectRouter, type ContextValues, createContextValues, type HandlerContext } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';

import { Health } from '../../gen/grpc/health/v1/health_pb.js';
import { CollectorService } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import * as reflectionV1 from '../../gen/grpc/reflection/v1/reflection_pb.js';
import * as reflectionV1alpha from '../../gen/grpc/reflection/v1alpha/reflection_pb.js';
import type { Ingest } from '../ingest/ingest.ts';
import type { Logger } from '../report/ports.ts';
import { createHealthService, type HealthState } from './health-service.ts';
import { createHttpHandler, createHttpRoutes, type RequestHandler } from './http.ts';
import type { PeerNamer, PeerRequest } from './peer.ts';
import { createReflectionService } from './reflection-service.ts';
import { createReportService, RECEIVED_FROM } from './report-service.ts';

export interface RoutesOptions {
  readonly ingest: Ingest;
  readonly health: HealthState;
  readonly version: string;
  /** See ReportServiceOptions. */
  readonly nextReportAfterMs?: number;
  /** The largest protobuf message, in bytes, after decompression. */
  readonly maxProtobufBytes: number;
  /** The largest JSON message, in bytes, after decompression. */
  readonly maxJsonBytes: number;
  /** See HttpRouteOptions. */
  readonly keepCountry: boolean;
  /** Whether the database could store a report now. */
  readonly isStoreReady: () => Promise<boolean>;
  readonly namePeer: PeerNamer;
  /** Aborted when the collector stops. */
  readonly stopping: AbortSignal;
  readonly logger: Logger;
}

/** JSON in Connect, gRPC and gRPC-Web, unary and streaming: application/json, application/connect+json, application/grpc+json, … */
const JSON_CONTENT_TYPE = /^application\/(?:json|(?:connect|grpc|grpc-web)\+json)\b/i;

/** Everything that the collector answers, as one handler for both versions of HTTP. */
export function createHandler(options: RoutesOptions): RequestHandler {
  const { ingest, health, version, isStoreReady, namePeer, stopping, logger } = options;
  const services = [CollectorService, Health];
  const register = [
    createReportService(options),
    createHealthService(health, services.map(({ typeName }) => typeName), stopping),
    createReflectionService([
      ...services.map(({ file }) => file),
      reflectionV1.file_grpc_reflection_v1_reflection,
      reflectionV1alpha.file_grpc_reflection_v1alpha_reflection,
    ]),
  ];
  const routes = (router: ConnectRouter): void => register.forEach((add) => add(router));
  const isReady = async (): Promise<boolean> => health.serving && (await isStoreReady());
  const httpRoutes = createHttpRoutes({ ingest, version, maxJsonBytes: options.maxJsonBytes, keepCountry: options.keepCountry, isReady });
  const fallback = createHttpHandler(httpRoutes, namePeer, logger);
  const contextValues = (request: PeerRequest): ContextValues => createContextValues().set(RECEIVED_FROM, namePeer(request));
  // Connect knows one limit for all encodings; JSON is about four times as long as protobuf, so each has a handler of its own.
  const adapterFor = (readMaxBytes: number): RequestHandler =>
    connectNodeAdapter({
      routes,
      fallback,
      readMaxBytes,
      contextValues,
      shutdownSignal: stopping,
      requestGate: blameClientForNonsense,
    });
  const onProtobuf = adapterFor(options.maxProtobufBytes);
  const onJson = adapterFor(options.maxJsonBytes);
  return (req, res) => (JSON_CONTENT_TYPE.test(req.headers['content-type'] ?? '') ? onJson : onProtobuf)(req, res);
}

/**
 * Answers INVALID_ARGUMENT to a message that is no protobuf. Connect, like gRPC's own servers, says INTERNAL there, which tells a
 * client to try the same bytes again. It aborts the call with its error before it reads the code for the answer.
 */
function blameClientForNonsense({ signal }: HandlerContext): void {
  const onAbort = (): void => {
    const error: unknown = signal.reason;
    if (error instanceof ConnectError && error.code === Code.Internal && error.rawMessage.startsWith('parse binary: ')) {
      Object.assign(error, { code: Code.InvalidArgument });
    }
  };
  signal.addEventListener('abort', onAbort, { once: true });
}
