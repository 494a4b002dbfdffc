import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import type { DashboardFiles } from '../../../../src/collector/serve/console/dashboard-files.ts';
import { createDashboardRoutes } from '../../../../src/collector/serve/console/dashboard-routes.ts';

const FILES: DashboardFiles = new Map([
  ['index.html', Buffer.from(`<!doctype html>${'<p>text</p>'.repeat(500)}`)],
  ['dashboard.js', Buffer.from('let script;')],
  ['dashboard.css', Buffer.from('p { color: red }')],
  ['dashboard.svg', Buffer.from('<svg/>')],
]);

function makeRoutes(load: () => Promise<DashboardFiles> = () => Promise.resolve(FILES)) {
  const routes = createDashboardRoutes(load);
  return async (path: string, headers: Readonly<Record<string, string | string[]>> = {}) => {
    const route = routes.find((each) => each.path === path && each.method === 'GET');
    if (route === undefined) throw new Error(`no route ${path}`);
    return await route.handle({ headers });
  };
}

test.each([
  ['/', 'index.html', 'text/html; charset=utf-8'],
  ['/dashboard.js', 'dashboard.js', 'text/javascript; charset=utf-8'],
  ['/dashboard.css', 'dashboard.css', 'text/css; charset=utf-8'],
  ['/dashboard.svg', 'dashboard.svg', 'image/svg+xml'],
])('%s is %s, as %s', async (path, file, contentType) => {
  const { status, body, ...response } = await makeRoutes()(path);

  expect([status, response.contentType]).toStrictEqual([200, contentType]);
  expect(body).toStrictEqual(FILES.get(file));
});

describe('a response', () => {
  test.each([
    ['gzip, br', 'br'],
    ['br;q=0.1', 'br'],
    [' BR ; q=1', 'br'],
    ['br;q=0, gzip', 'gzip'],
    ['br; q=0.000 , gzip;q=0.5', 'gzip'],
    ['br;level=1;q=0.0,gzip', 'gzip'],
    ['deflate, gzip;q=0.5', 'gzip'],
    ['br;q=0.05, gzip;q=0', 'br'],
    ['br;xq=0', 'br'],
    ['', undefined],
    ['identity, *', undefined],
    ['brotli, xgzip', undefined],
    ['br;q=0, gzip;q=0', undefined],
  ])('to a client that accepts %j has the encoding %s', async (accepted, encoding) => {
    const response = await makeRoutes()('/', { 'accept-encoding': accepted });

    expect(response.headers?.['content-encoding']).toBe(encoding);
    expect(response.headers?.['vary']).toBe('accept-encoding');
    const body = Buffer.from(response.body ?? '');
    const plain = encoding === 'br' ? brotliDecompressSync(body) : encoding === 'gzip' ? gunzipSync(body) : body;
    expect(plain).toStrictEqual(FILES.get('index.html'));
  });

  test('to a client that names no encodings, or repeats the header, is encoded as well', async () => {
    const get = makeRoutes();

    expect((await get('/')).headers).not.toHaveProperty('content-encoding');
    expect((await get('/', { 'accept-encoding': ['identity', 'br'] })).headers).toHaveProperty(
      'content-encoding',
      'br',
    );
  });

  test('forbids everything but the files and services of its own origin', async () => {
    const { headers } = await makeRoutes()('/');

    expect(headers).toStrictEqual({
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
      vary: 'accept-encoding',
      etag: expect.stringMatching(/^"[\w-]{22}-identity"$/) as string,
    });
  });

  test('is 304 for a browser that has it, in this encoding', async () => {
    const get = makeRoutes();
    const { headers = {} } = await get('/dashboard.js', { 'accept-encoding': 'br' });
    const etag = headers['etag'] ?? '';
    const ask = async (tags: string, encoding: string) =>
      (await get('/dashboard.js', { 'accept-encoding': encoding, 'if-none-match': tags })).status;

    expect(await ask(etag, 'br')).toBe(304);
    expect(await ask(`"other", W/${etag}`, 'br')).toBe(304);
    expect(await ask('*', 'br')).toBe(304);
    expect(await ask(etag, 'gzip')).toBe(200);
    expect(await ask('"other"', 'br')).toBe(200);
    expect(await ask(`xW/${etag}`, 'br')).toBe(200);
  });

  test('of 304 has the headers of the page, and no body', async () => {
    const get = makeRoutes();
    const { headers } = await get('/');

    await expect(get('/', { 'if-none-match': headers?.['etag'] ?? '' })).resolves.toStrictEqual({
      status: 304,
      headers,
    });
  });

  test('differs in its tag from that of another content', async () => {
    const other = makeRoutes(() => Promise.resolve(new Map([['index.html', Buffer.from('other')]])));

    expect((await other('/')).headers?.['etag']).not.toBe((await makeRoutes()('/')).headers?.['etag']);
  });
});

describe('the files', () => {
  test('are loaded once, when the first is requested, and compressed once', async () => {
    const load = vi.fn<() => Promise<DashboardFiles>>(() => Promise.resolve(FILES));
    const get = makeRoutes(load);
    expect(load).not.toHaveBeenCalled();

    const br = { 'accept-encoding': 'br' };
    const [one, two] = await Promise.all([get('/', br), get('/', br), get('/dashboard.js')]);

    expect(load).toHaveBeenCalledOnce();
    expect(one?.body).toBe(two?.body);
    expect((await get('/', br)).body).toBe(one?.body);
  });

  test('whose build failed are tried again', async () => {
    const load = vi
      .fn<() => Promise<DashboardFiles>>(() => Promise.resolve(FILES))
      .mockRejectedValueOnce(new Error('no space'));
    const get = makeRoutes(load);

    await expect(get('/')).rejects.toThrow('no space');
    await expect(get('/')).resolves.toMatchObject({ status: 200 });
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('that the build does not have are an error that names them', async () => {
    await expect(makeRoutes(() => Promise.resolve(new Map()))('/dashboard.js')).rejects.toThrow(
      'the build of the dashboard has no dashboard.js',
    );
  });
});
