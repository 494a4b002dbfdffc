import type { IncomingHttpHeaders } from 'node:http';
import { CollectorService } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { parseJson } from '../../../report/go-json.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import { LEGACY_PATHS, type LegacyBody, type LegacyPath, readLegacyBody } from '../../legacy/body.ts';
import { createJsonBounds } from '../admission/json-bounds.ts';
import type { Limits } from '../admission/limits.ts';
import { estimateMemory } from '../admission/memory-limiter.ts';
import type { Decoded } from '../decode/decode-message.ts';
import { LARGE_MESSAGE_BYTES } from '../decode/large-decoder.ts';
import type { HandlerContext } from '../handler-context.ts';
import type { HealthState } from '../rpc/health-service.ts';
import type { HttpRequest, HttpRoute } from './router.ts';

type LegacyApiContext = Pick<HandlerContext, 'decoder' | 'version' | 'keepCountry'> & {
  readonly admission: Pick<HandlerContext['admission'], 'admitReport' | 'chargeBytes'>;
  readonly ingest: Pick<Ingest, 'accept' | 'countInvalid'>;
  readonly limits: Pick<Limits, 'maxJsonBytes'>;
  readonly health: Pick<HealthState, 'serving' | 'reason'>;
};

const RETRY_AFTER_MS = 5_000;
const NO_CONTENT = { status: 204 };

/**
 * The HTTP API of the original Spartakus (kubernetes-retired/spartakus, pkg/collector/api.go). POST /api/v1 also detects the other
 * dialects. The response is 204 without a body once every report is stored, the only success for old volunteers. Field paths in errors
 * are JSON names from the body, such as `nodes[3].id`.
 */
export function createLegacyApi(context: LegacyApiContext): readonly HttpRoute[] {
  const { ingest, admission, decoder, limits, version, keepCountry, health } = context;
  const read = async (path: LegacyPath, request: HttpRequest): Promise<LegacyBody | Decoded> => {
    const { origin, reservation } = request;
    const bounds = createJsonBounds();
    const bytes = await request.readBody(limits.maxJsonBytes, (chunk) => bounds.push(chunk));
    admission.chargeBytes(origin, bytes.length);
    if (bytes.length <= LARGE_MESSAGE_BYTES) {
      reservation.resize(estimateMemory(bytes.length));
      return readLegacyBody(path, parseJson(bytes), { keepCountry });
    }
    const closed = new AbortController();
    request.onClose(() => closed.abort());
    const job = { format: 'legacy', path, bytes } as const;
    return await decoder.decode({ job, origin, reservation, signal: closed.signal });
  };
  const post = (path: LegacyPath): HttpRoute => ({
    method: 'POST',
    path,
    async handle(request) {
      const { headers, origin } = request;
      admission.admitReport(origin, headers);
      rejectValidateOnly(request.query);
      requireJson(headers);
      const { entries, dialect, country, unknownFields } = await read(path, request);
      const accepted = { origin, dialect, country, unknownFields };
      const accept = async (entry: (typeof entries)[number]): Promise<unknown> => {
        if (!('error' in entry))
          return await ingest.accept('document' in entry ? { encodedDocument: entry.document } : entry, accepted);
        ingest.countInvalid(entry.error, accepted);
        throw entry.error;
      };
      const [only] = entries;
      if (only !== undefined && entries.length === 1) {
        await accept(only);
        return NO_CONTENT;
      }
      // All are settled before the response, with which their memory is free.
      const outcomes = await Promise.allSettled(entries.map(accept));
      const failed = outcomes.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
      return NO_CONTENT;
    },
  });
  return [
    ...LEGACY_PATHS.map(post),
    // Liveness, as in the original.
    { method: 'GET', path: '/', handle: () => ({ status: 200 }) },
    { method: 'GET', path: '/healthz', handle: () => ({ status: 200 }) },
    {
      method: 'GET',
      path: '/readyz',
      handle() {
        if (health.serving) return { status: 200 };
        throw new SpartakusError('unavailable', health.reason ?? 'the collector is stopping', {
          retryAfterMs: RETRY_AFTER_MS,
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

/** Clients that follow the service's HTTP annotation send fields outside of the body as parameters: a probe must not be stored. */
function rejectValidateOnly(query: string): void {
  if (query === '') return;
  const parameters = new URLSearchParams(query);
  if (!parameters.has('validateOnly') && !parameters.has('validate_only')) return;
  throw new SpartakusError(
    'invalid',
    `validate_only is not supported here: send JSON to /${CollectorService.typeName}/${CollectorService.method.submitReport.name}`,
  );
}

/** As in the original, with any parameters of the media type. */
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
      `the content encoding is ${JSON.stringify(encoding)}: send the JSON uncompressed`,
    );
  }
}
