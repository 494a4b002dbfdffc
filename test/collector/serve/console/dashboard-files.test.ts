import { afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type DashboardFiles, loadDashboardFiles } from '../../../../src/collector/serve/console/dashboard-files.ts';
import { createDashboardRoutes } from '../../../../src/collector/serve/console/dashboard-routes.ts';

const MOST_BYTES = 60_000;
const NAMES = ['dashboard.css', 'dashboard.js', 'dashboard.svg', 'index.html'];

let files: DashboardFiles;

beforeAll(async () => {
  files = await loadDashboardFiles();
});

afterEach(() => void vi.unstubAllGlobals());

test.each(['br', 'gzip'])('all files together have at most 60 kB with %s', async (encoding) => {
  const routes = createDashboardRoutes(() => Promise.resolve(files));
  const headers = { 'accept-encoding': encoding };
  const responses = await Promise.all(routes.map((route) => route.handle({ headers })));
  const bytes = responses.reduce((sum, { body = '' }) => sum + body.length, 0);

  expect(responses.map((response) => response.headers?.['content-encoding'])).toStrictEqual(routes.map(() => encoding));
  expect(bytes).toBeLessThan(MOST_BYTES);
});

test('the page names each other file of the build, and no others', () => {
  const html = Buffer.from(files.get('index.html') ?? []).toString();

  expect([...files.keys()].toSorted()).toStrictEqual(NAMES);
  const addresses = [...html.matchAll(/(?:src|href)="(?!#)([^"]*)"/g)].map(([, address]) => address);
  expect(new Set(addresses)).toStrictEqual(new Set(['./dashboard.css', './dashboard.js', './dashboard.svg']));
});

test('each file has its own content', () => {
  const text = (name: string): string => Buffer.from(files.get(name) ?? []).toString();

  expect(text('index.html')).toMatch(/^<!doctype html>/i);
  expect(text('dashboard.svg')).toMatch(/^<svg/);
  expect(text('dashboard.css')).toMatch(/\{[a-z-]+:/);
  expect(text('dashboard.js').length).toBeGreaterThan(10_000);
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

test('a program that was built does not build them: it reads the folder beside it', async () => {
  vi.stubGlobal('SPARTAKUS_COMMIT', 'abc');

  await expect(loadDashboardFiles()).rejects.toMatchObject({
    code: 'ENOENT',
    path: expect.stringMatching(/[/\\]serve[/\\]console[/\\]dashboard$/) as string,
  });
});
