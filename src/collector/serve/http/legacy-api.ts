import type { IncomingHttpHeaders } from 'node:http';
import type { JsonValue } from '@bufbuild/protobuf';
import { parseJson } from '../../../report/go-json.ts';
import type { Submission } from '../../../report/report-sink.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Ingest } from '../../ingest/ingest.ts';
import type { Dialect } from '../../ingest/observer.ts';
import { isCoreosReport, readCoreosReport } from '../../legacy/coreos.ts';
import { isKubermaticReport, readKubermaticReport } from '../../legacy/kubermatic.ts';
import { readSpartakusReport } from '../../legacy/spartakus.ts';
import { createJsonBounds } from '../admission/json-bounds.ts';
import type { Limits } from '../admission/limits.ts';
import type { HandlerContext } from '../handler-context.ts';
import type { HealthState } from '../rpc/health-service.ts';
import type { HttpRoute } from './router.ts';

type LegacyApiContext = Pick<HandlerContext, 'admission' | 'version' | 'keepCountry'> & {
  readonly ingest: Pick<Ingest, 'accept'>;
  readonly limits: Pick<Limits, 'maxJsonBytes'>;
  readonly health: Pick<HealthState, 'serving' | 'reason'>;
};

interface LegacyBody {
  readonly dialect: Dialect;
  readonly entries: readonly Submission[];
  readonly country?: string | undefined;
  /** Dropped from the body. */
  readonly unknownFields?: number | undefined;
}

const RETRY_AFTER_MS = 5_000;

/**
 * The HTTP API of the original Spartakus (kubernetes-retired/spartakus, pkg/collector/api.go). POST /api/v1 also detects the other
 * dialects. The response is 204 without a body once every report is stored, the only success for old volunteers. Field paths in errors
 * are JSON names from the body, such as `nodes[3].id`.
 */
export function createLegacyApi(context: LegacyApiContext): readonly HttpRoute[] {
  const { ingest, admission, limits, version, keepCountry, health } = context;
  const post = (path: string, read: (json: JsonValue) => LegacyBody): HttpRoute => ({
    method: 'POST',
    path,
    async handle(request) {
      const { headers, origin } = request;
      admission.admitReport(origin, headers);
      requireJson(headers);
      const bounds = createJsonBounds();
      const { entries, dialect, country, unknownFields } = read(
        parseJson(await request.readBody(limits.maxJsonBytes, (chunk) => bounds.push(chunk))),
      );
      await Promise.all(entries.map((entry) => ingest.accept(entry, { origin, dialect, country, unknownFields })));
      return { status: 204 };
    },
  });
  const readCoreos = (json: JsonValue): LegacyBody => ({
    dialect: 'coreos',
    entries: [{ report: readCoreosReport(json) }],
  });
  const readKubermatic = (json: JsonValue): LegacyBody => ({
    dialect: 'kubermatic',
    ...readKubermaticReport(json, { keepCountry }),
  });
  return [
    post('/api/v1', (json) => {
      if (isCoreosReport(json)) return readCoreos(json);
      if (isKubermaticReport(json)) return readKubermatic(json);
      let unknownFields = 0;
      const report = readSpartakusReport(json, () => (unknownFields += 1));
      return { dialect: 'spartakus', entries: [{ report }], unknownFields };
    }),
    post('/api/coreos/v1', readCoreos),
    post('/api/kubermatic/v1', readKubermatic),
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
