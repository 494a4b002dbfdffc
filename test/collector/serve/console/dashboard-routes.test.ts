import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { type DashboardFiles, loadDashboardFiles } from '../../../../src/collector/serve/console/dashboard-files.ts';
import { createDashboardRoutes } from '../../../../src/collector/serve/console/dashboard-routes.ts';

const MOST_BYTES = 60_000;

let files: DashboardFiles;
let routes: ReturnType<typeof createDashboardRoutes>;

beforeAll(async () => {
  files = await loadDashboardFiles();
  routes = createDashboardRoutes(() => Promise.resolve(files));
});

async function get(path: string, headers: Readonly<Record<string, string>> = {}) {
  const route = routes.find((each) => each.path === path);
  if (route === undefined) throw new Error(`no route ${path}`);
  return await route.handle({ headers });
}

test.each(['br', 'gzip'])('all files together have at most 60 kB with %s', async (encoding) => {
  const responses = await Promise.all(routes.map(({ path }) => get(path, { 'accept-encoding': encoding })));
  const bytes = responses.reduce((sum, { body = '' }) => sum + body.length, 0);

  expect(responses.map(({ headers }) => headers?.['content-encoding'])).toStrictEqual(routes.map(() => encoding));
  expect(bytes).toBeLessThan(MOST_BYTES);
});

test('each file of the build has a route, and the page names no others', () => {
  const html = Buffer.from(files.get('index.html') ?? []).toString();

  expect(new Set(files.keys())).toStrictEqual(
    new Set(['dashboard.css', 'dashboard.js', 'dashboard.svg', 'index.html']),
  );
  const addresses = [...html.matchAll(/(?:src|href)="(?!#)([^"]*)"/g)].map(([, address]) => address);
  expect(new Set(addresses)).toStrictEqual(new Set(['./dashboard.css', './dashboard.js', './dashboard.svg']));
});

test('no file names another server', () => {
  // The names of XML namespaces are not addresses; those of the protobuf runtime are in error messages.
  const known = ['http://www.w3.org/2000/svg'];
  for (const [name, bytes] of files) {
    const addresses =
      Buffer.from(bytes)
        .toString()
        .match(/https?:\/\/[^\s"'`)>]+/g) ?? [];
    expect([name, addresses.filter((address) => !known.includes(address))]).toStrictEqual([name, []]);
  }
});

describe('a response', () => {
  test('is compressed as the request accepts it', async () => {
    const plain = Buffer.from(files.get('index.html') ?? []);
    const [br, gzip, identity, rejected] = await Promise.all(
      ['gzip, br', 'deflate, gzip;q=0.5', '', 'br;q=0, gzip;q=0'].map((accepted) =>
        get('/', { 'accept-encoding': accepted }),
      ),
    );

    expect(brotliDecompressSync(br?.body ?? '')).toStrictEqual(plain);
    expect(gunzipSync(gzip?.body ?? '')).toStrictEqual(plain);
    expect(Buffer.from(identity?.body ?? '')).toStrictEqual(plain);
    expect(rejected?.headers).not.toHaveProperty('content-encoding');
    expect(br?.headers?.['vary']).toBe('accept-encoding');
  });

  test('forbids everything but the files and services of its own origin', async () => {
    const { headers, contentType } = await get('/');

    expect(contentType).toBe('text/html; charset=utf-8');
    expect(headers).toMatchObject({
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    });
  });

  test('is 304 for a browser that has it, in this encoding', async () => {
    const first = await get('/dashboard.js', { 'accept-encoding': 'br' });
    const etag = first.headers?.['etag'] ?? '';
    const ask = async (tag: string, encoding: string) =>
      (await get('/dashboard.js', { 'accept-encoding': encoding, 'if-none-match': tag })).status;

    expect(await ask(etag, 'br')).toBe(304);
    expect(await ask(`"other", W/${etag}`, 'br')).toBe(304);
    expect(await ask(etag, 'gzip')).toBe(200);
    expect(await ask('"other"', 'br')).toBe(200);
  });

  test('a build that failed is tried again', async () => {
    let attempts = 0;
    const [route] = createDashboardRoutes(() => {
      attempts += 1;
      return attempts === 1 ? Promise.reject(new Error('no space')) : Promise.resolve(files);
    });
    const request = { headers: {} };

    await expect(async () => await route?.handle(request)).rejects.toThrow('no space');
    await expect(Promise.resolve(route?.handle(request))).resolves.toMatchObject({ status: 200 });
  });
});
