import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { JsonValue } from '@bufbuild/protobuf';
import { parseJson } from '../../../report/go-json.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Dialect } from '../../ingest/hooks.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { isCoreosReport, readCoreosReport } from '../../legacy/coreos.ts';
import { isKubermaticReport, type KubermaticSubmission, readKubermaticReport } from '../../legacy/kubermatic.ts';
import { readSpartakusReport } from '../../legacy/spartakus.ts';
import { startBodyDeadline } from '../admission/body-deadline.ts';
import { createJsonBounds } from '../admission/json-bounds.ts';
import type { BodyBudget, BodyShare } from '../admission/memory-limiter.ts';
import type { Peer } from '../admission/request-origin.ts';
import type { OnRefusal } from '../console/rejections.ts';
import { challengeOf, STATUS } from '../error-status.ts';

/** A request of either version of HTTP, as Node.js hands it over. */
export type ServerRequest = IncomingMessage | Http2ServerRequest;
export type ServerReply = ServerResponse | Http2ServerResponse;

/** A request, without its socket: a handler can be called by a test as it is. */
export interface HttpRequest {
  readonly headers: IncomingHttpHeaders;
  readonly peer: Peer;
  /**
   * Reads the whole body.
   *
   * @param look sees what comes as it comes, and throws where it has seen enough
   * @throws SpartakusError of kind `too-large` as soon as more than `maxBytes` came; what `look` throws
   */
  readBody(maxBytes: number, look: (chunk: Uint8Array) => void): Promise<Uint8Array>;
}

export interface HttpResponse {
  readonly status: number;
  readonly contentType?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One line of the table of plain HTTP: everything that is not an RPC. */
export interface HttpRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  handle(request: HttpRequest): Promise<HttpResponse> | HttpResponse;
}

export interface HttpRouteOptions {
  readonly ingest: Ingest;
  /** Says whether a report may come in before anything of it is read: see routes.ts. */
  readonly admit: (headers: IncomingHttpHeaders, peer: Peer) => void;
  /** What GET /version says, such as "v2.0.0". */
  readonly version: string;
  /** The largest JSON body, in bytes. */
  readonly maxJsonBytes: number;
  /** Whether the countries that Kubermatic's clients send are kept; nothing else of a location ever is. */
  readonly keepCountry: boolean;
  /** Whether a report that came now could be stored. */
  readonly isReady: () => boolean;
}

/** What a body holds, whatever the dialect. */
type Submission = Pick<KubermaticSubmission, 'reports'> & Partial<KubermaticSubmission> & { readonly dialect: Dialect };

/**
 * The HTTP interface of the ancestors: of Spartakus (kubernetes-retired/spartakus, pkg/collector/api.go) at /api/v1, which knows
 * the other dialects by their shape, and of each other dialect at a path of its own.
 *
 * A body whose every report is stored is answered 204 without a body, and nothing else: old volunteers take anything else for a
 * failure. No dialect asks for a cluster id.
 */
export function createHttpRoutes({
  ingest,
  admit,
  version,
  maxJsonBytes,
  keepCountry,
  isReady,
}: HttpRouteOptions): readonly HttpRoute[] {
  const post = (path: string, read: (json: JsonValue) => Submission): HttpRoute => ({
    method: 'POST',
    path,
    async handle(request) {
      admit(request.headers, request.peer);
      requireJson(request.headers);
      const bounds = createJsonBounds();
      const body = await request.readBody(maxJsonBytes, (chunk) => bounds.push(chunk));
      const { reports, records = [], country, dialect } = read(parseJson(body));
      const sender = { ...request.peer, country, via: { protocol: 'http', dialect } as const };
      await Promise.all([
        ...reports.map((report) => ingest.accept(report, { requireClusterId: false, ...sender })),
        ...records.map((record) => ingest.acceptKubermatic(record, sender)),
      ]);
      return { status: 204 };
    },
  });
  const readSpartakus = (json: JsonValue): Submission => ({
    dialect: 'spartakus',
    reports: [readSpartakusReport(json)],
  });
  const readCoreos = (json: JsonValue): Submission => ({ dialect: 'coreos', reports: [readCoreosReport(json)] });
  const readKubermatic = (json: JsonValue): Submission => ({
    dialect: 'kubermatic',
    ...readKubermaticReport(json, { keepCountry }),
  });
  return [
    post('/api/v1', (json) => {
      if (isCoreosReport(json)) return readCoreos(json);
      return isKubermaticReport(json) ? readKubermatic(json) : readSpartakus(json);
    }),
    post('/api/coreos/v1', readCoreos),
    post('/api/kubermatic/v1', readKubermatic),
    // That the process lives, as the original's said; whether it can store is /readyz.
    { method: 'GET', path: '/', handle: () => ({ status: 200 }) },
    { method: 'GET', path: '/healthz', handle: () => ({ status: 200 }) },
    {
      method: 'GET',
      path: '/readyz',
      handle() {
        if (isReady()) return { status: 200 };
        throw new SpartakusError('unavailable', 'the database is away, or the collector is stopping', {
          retryAfterMs: 5_000,
        });
      },
    },
    {
      method: 'GET',
      path: '/version',
      handle: () => ({ status: 200, contentType: 'text/plain; charset=utf-8', body: version }),
    },
  ];
}

/** The media type must be application/json; parameters are allowed, as the original allowed them. */
function requireJson(headers: IncomingHttpHeaders): void {
  const mediaType = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (mediaType !== 'application/json') {
    throw new SpartakusError(
      'unsupported-media-type',
      `the content type is ${mediaType === undefined ? 'missing' : JSON.stringify(mediaType)}: send application/json`,
    );
  }
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new SpartakusError(
      'unsupported-media-type',
      `the content encoding is ${JSON.stringify(encoding)}: send the JSON as it is`,
    );
  }
}

export interface HttpHandlerOptions {
  readonly budget: BodyBudget;
  /** How long a body may take, in milliseconds. */
  readonly bodyTimeoutMs: number;
  readonly onRefusal: OnRefusal;
}

/** Answers a request, whatever it asks for. */
export type HttpHandler = (req: ServerRequest, res: ServerReply, peer: Peer) => void;

/** Answers requests by the table: 404 for an unknown path, 405 with Allow for an unknown method, HEAD as GET without a body. */
export function createHttpHandler(
  routes: readonly HttpRoute[],
  { budget, bodyTimeoutMs, onRefusal }: HttpHandlerOptions,
): HttpHandler {
  return (req, res, peer) => {
    const share = budget.open();
    res.once('close', () => share.end());
    const read: HttpRequest['readBody'] = (maxBytes, look) =>
      readBody(req, { maxBytes, look, share, timeoutMs: bodyTimeoutMs });
    void answer(routes, req, { headers: req.headers, peer, readBody: read }, onRefusal).then((response) =>
      send(req, res, response),
    );
  };
}

async function answer(
  routes: readonly HttpRoute[],
  req: ServerRequest,
  request: HttpRequest,
  onRefusal: OnRefusal,
): Promise<HttpResponse> {
  const path = (req.url ?? '/').split('?', 1)[0];
  const atPath = routes.filter((route) => route.path === path);
  if (atPath.length === 0) {
    const error = new SpartakusError('not-found', `there is nothing at ${path}`);
    onRefusal('http', error);
    return { status: 404, ...errorBody(error.message) };
  }
  const method = req.method === 'HEAD' ? 'GET' : req.method;
  const route = atPath.find((candidate) => candidate.method === method);
  if (route === undefined) {
    const allow = atPath.map((candidate) => (candidate.method === 'GET' ? 'GET, HEAD' : candidate.method)).join(', ');
    const error = new SpartakusError('not-found', `${req.method} is not for ${path}: use ${allow}`);
    onRefusal('http', error);
    return { status: 405, headers: { allow }, ...errorBody(error.message) };
  }
  try {
    return await route.handle(request);
  } catch (thrown) {
    const error = SpartakusError.from(thrown);
    onRefusal('http', error);
    const headers = {
      ...(error.retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(error.retryAfterMs / 1000)) }),
      ...challengeOf(error),
    };
    return { status: STATUS[error.kind].httpStatus, headers, ...errorBody(error.message) };
  }
}

/** The original's form of an error. */
function errorBody(message: string): { contentType: string; body: string } {
  return { contentType: 'text/plain; charset=utf-8', body: `Error: ${message}\n` };
}

interface ReadOptions {
  readonly maxBytes: number;
  readonly look: (chunk: Uint8Array) => void;
  readonly share: BodyShare;
  readonly timeoutMs: number;
}

/** Reads by events: leaving a `for await` early would destroy the request, and its connection with it. */
function readBody(req: ServerRequest, { maxBytes, look, share, timeoutMs }: ReadOptions): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const tooLarge = (): SpartakusError =>
      new SpartakusError('too-large', `the body is over the limit of ${maxBytes} bytes`);
    if (Number(req.headers['content-length'] ?? 0) > maxBytes) {
      reject(tooLarge());
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    const deadline = startBodyDeadline(timeoutMs, reject);
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      try {
        if (bytes > maxBytes) throw tooLarge();
        share.take(chunk.length);
        look(chunk);
        chunks.push(chunk);
      } catch (error) {
        chunks.length = 0;
        req.off('data', onData);
        deadline.end();
        reject(error);
      }
    };
    const onGone = (): void => {
      deadline.end();
      reject(new SpartakusError('invalid', 'the body ended before its end'));
    };
    req.on('data', onData);
    req.once('end', () => {
      deadline.end();
      req.off('close', onGone);
      resolve(Buffer.concat(chunks, bytes));
    });
    req.once('error', onGone);
    req.once('close', onGone);
  });
}

function send(req: ServerRequest, res: ServerReply, response: HttpResponse): void {
  if (res.destroyed || res.writableEnded) return;
  const body = response.body === undefined ? undefined : Buffer.from(response.body);
  res.statusCode = response.status;
  for (const [name, value] of Object.entries(response.headers ?? {})) res.setHeader(name, value);
  if (response.contentType !== undefined) res.setHeader('content-type', response.contentType);
  if (response.status !== 204) res.setHeader('content-length', body?.length ?? 0);
  if (body === undefined || req.method === 'HEAD') res.end();
  else res.end(body);
}
