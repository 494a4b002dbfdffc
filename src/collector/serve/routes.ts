import type { IncomingHttpHeaders } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { Health } from '../../../gen/grpc/health/v1/health_pb.js';
import * as reflectionV1 from '../../../gen/grpc/reflection/v1/reflection_pb.js';
import * as reflectionV1alpha from '../../../gen/grpc/reflection/v1alpha/reflection_pb.js';
import { CollectorService } from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Protocol } from '../../report/request-origin.ts';
import type { OriginFinder } from './admission/request-origin.ts';
import type { HandlerContext } from './handler-context.ts';
import { createLegacyApi } from './http/legacy-api.ts';
import { createHttpHandler, pathOf, type ServerReply, type ServerRequest } from './http/router.ts';
import { createConnectHandler } from './rpc/connect-handler.ts';
import { createGrpcHandler } from './rpc/grpc-handler.ts';
import { createHealthService } from './rpc/health-service.ts';
import { createMessageReader } from './rpc/message-reader.ts';
import { createReflectionService } from './rpc/reflection-service.ts';
import { createReportReceiver } from './rpc/report-receiver.ts';
import { createReportService } from './rpc/report-service.ts';
import { answerUnknownMethod } from './rpc/unknown-method.ts';

export interface Routes {
  request(req: ServerRequest, res: ServerReply): void;
  /** Returns false where `request` must handle the stream instead. */
  stream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean;
}

export function createRoutes(origins: Pick<OriginFinder, 'originOf'>, context: HandlerContext): Routes {
  const { health, stopping, onRejection } = context;
  const receiver = createReportReceiver(context);
  const services = [CollectorService, Health];
  const serviceNames = services.map(({ typeName }) => typeName);
  const register = [
    createReportService(receiver),
    createHealthService(health, serviceNames, stopping),
    createReflectionService([
      ...services.map(({ file }) => file),
      reflectionV1.file_grpc_reflection_v1_reflection,
      reflectionV1alpha.file_grpc_reflection_v1alpha_reflection,
    ]),
  ];
  const read = createMessageReader(context.decoder, context.admission);
  const connect = createConnectHandler((router) => register.forEach((add) => add(router)), read, context);
  const grpc = createGrpcHandler(receiver, read, context);
  const http = createHttpHandler(createLegacyApi(context), context);
  return {
    request(req, res) {
      const path = pathOf(req);
      const isMethod = connect.serves(path);
      const origin = origins.originOf(req, protocolOf(req, path, isMethod));
      if (isMethod) connect.handle(req, res, origin);
      else if (origin.protocol === 'http') http(req, res, origin);
      else onRejection(origin.protocol, answerUnknownMethod(req, res, origin));
    },
    stream(stream, headers) {
      if (!grpc.serves(headers)) return false;
      grpc.handle(stream, headers, origins.originOf({ headers, socket: stream.session?.socket ?? {} }, 'grpc'));
      return true;
    },
  };
}

/** `/package.Service/Method` */
const METHOD_PATH = /^\/\w+(?:\.\w+)+\/\w+$/;
const CONNECT_CONTENT_TYPE = /^application\/(?:json|proto|connect\+)/i;

export function protocolOf({ headers }: ServerRequest, path: string, isMethod: boolean): Protocol {
  const contentType = headers['content-type'] ?? '';
  if (/^application\/grpc-web\b/i.test(contentType)) return 'grpc-web';
  if (/^application\/grpc\b/i.test(contentType)) return 'grpc';
  return isMethod || (METHOD_PATH.test(path) && CONNECT_CONTENT_TYPE.test(contentType)) ? 'connect' : 'http';
}
