import { connectNodeAdapter } from '@connectrpc/connect-node';
import { StatisticsService } from '../../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';
import { parseRequestTarget } from '../../../runtime/request-target.ts';
import type { Answers } from '../../statistics/answers.ts';
import type { HttpRequest, HttpResponse, ServerReply, ServerRequest } from '../http/router.ts';
import { readStatisticsJson } from '../http/statistics-api.ts';
import { COMPRESSIONS } from '../rpc/compression.ts';
import { convertErrors } from '../rpc/convert-errors.ts';
import { createStatisticsService } from '../rpc/statistics-service.ts';

/** Of a request, which holds ids of questions. */
const MAX_REQUEST_BYTES = 16 * 1024;
const METHOD_PREFIX = `/${StatisticsService.typeName}/`;

export function createStatisticsRoute(answers: Answers) {
  return {
    method: 'GET',
    path: '/stats.json',
    async handle({ query }: Pick<HttpRequest, 'query'>): Promise<HttpResponse> {
      const body = await readStatisticsJson(answers, new URLSearchParams(query));
      return { status: 200, contentType: 'application/json', headers: { 'cache-control': 'no-cache' }, body };
    },
  } as const;
}

/** StatisticsService over Connect, gRPC and gRPC-Web. */
export function createStatisticsCalls(answers: Answers) {
  const handle = connectNodeAdapter({
    routes: createStatisticsService(answers),
    readMaxBytes: MAX_REQUEST_BYTES,
    acceptCompression: COMPRESSIONS,
    interceptors: [convertErrors],
  }) as (req: ServerRequest, res: ServerReply) => void;
  return {
    serves: (path: string): boolean => path.startsWith(METHOD_PREFIX),
    /** @throws SpartakusError `invalid` for a malformed host, of which Connect throws a TypeError */
    handle(req: ServerRequest, res: ServerReply): void {
      const host = req.headers[':authority'] ?? req.headers.host ?? '';
      if (!URL.canParse(`http://${String(host)}`))
        throw new SpartakusError('invalid', 'the requested host is malformed: send the address of the console');
      // Connect does not know the absolute form of a request target.
      const { path, query } = parseRequestTarget(req.url);
      req.url = `${path}${query}`;
      handle(req, res);
    },
  };
}
