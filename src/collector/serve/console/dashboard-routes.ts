import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import type { HttpResponse } from '../http/router.ts';
import { type DashboardFiles, loadDashboardFiles } from './dashboard-files.ts';

/**
 * The page loads its own script and stylesheet, calls services of its own origin, and nothing else. Images made in the page (blob:) are
 * charts that the user saves. Trusted Types make every assignment of HTML text an error.
 */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const SECURITY_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

const PAGES = [
  { path: '/', file: 'index.html', contentType: 'text/html; charset=utf-8' },
  { path: '/dashboard.js', file: 'dashboard.js', contentType: 'text/javascript; charset=utf-8' },
  { path: '/dashboard.css', file: 'dashboard.css', contentType: 'text/css; charset=utf-8' },
  { path: '/dashboard.svg', file: 'dashboard.svg', contentType: 'image/svg+xml' },
];

type Encoding = 'br' | 'gzip' | 'identity';

interface Representation {
  readonly body: Uint8Array;
  readonly etag: string;
}

/** The routes of the page. They reveal no figures: the page asks StatisticsService, with a token where there is one. */
export function createDashboardRoutes(load: () => Promise<DashboardFiles> = loadDashboardFiles) {
  let loading: Promise<DashboardFiles> | undefined;
  const files = async (): Promise<DashboardFiles> => {
    loading ??= load();
    // A failure is not kept: the next request tries again.
    loading.catch(() => (loading = undefined));
    return await loading;
  };
  return PAGES.map(({ path, file, contentType }) => {
    const representations = new Map<Encoding, Promise<Representation>>();
    const represent = async (encoding: Encoding): Promise<Representation> => {
      const bytes = (await files()).get(file);
      if (bytes === undefined) throw new Error(`the build of the dashboard has no ${file}`);
      return await compress(bytes, encoding);
    };
    return {
      method: 'GET' as const,
      path,
      async handle({ headers }: { readonly headers: IncomingHttpHeaders }): Promise<HttpResponse> {
        const encoding = chooseEncoding(headers);
        const representation = representations.get(encoding) ?? represent(encoding);
        representations.set(encoding, representation);
        representation.catch(() => representations.delete(encoding));
        return respond(headers, await representation, encoding, contentType);
      },
    };
  });
}

function respond(
  request: IncomingHttpHeaders,
  { body, etag }: Representation,
  encoding: Encoding,
  contentType: string,
): HttpResponse {
  const headers = {
    ...SECURITY_HEADERS,
    // Browsers ask again each time, and receive 304 unless the collector was upgraded.
    'cache-control': 'no-cache',
    vary: 'accept-encoding',
    etag,
  };
  const known = (request['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  if (known.includes(etag) || known.includes('*')) return { status: 304, headers };
  const coded = encoding === 'identity' ? headers : { ...headers, 'content-encoding': encoding };
  return { status: 200, contentType, headers: coded, body };
}

function chooseEncoding(headers: IncomingHttpHeaders): Encoding {
  const accepted = [headers['accept-encoding'] ?? ''].flat().join(',').toLowerCase().split(',');
  const accepts = (name: string): boolean =>
    accepted.some((entry) => {
      const [coding, ...parameters] = entry.split(';').map((part) => part.trim());
      return coding === name && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
    });
  return accepts('br') ? 'br' : accepts('gzip') ? 'gzip' : 'identity';
}

async function compress(bytes: Uint8Array, encoding: Encoding): Promise<Representation> {
  const digest = createHash('sha256').update(bytes).digest('base64url').slice(0, 22);
  const etag = `"${digest}-${encoding}"`;
  if (encoding === 'br') return { body: await promisify(brotliCompress)(bytes), etag };
  if (encoding === 'gzip') return { body: await promisify(gzip)(bytes, { level: 9 }), etag };
  return { body: bytes, etag };
}
