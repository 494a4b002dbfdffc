import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import path from 'node:path';
import { create } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ExtensionSchema } from '../../../../gen/spartakus/report/v1/report_pb.js';
import { startCollectorOn, startTestCollector, type TestCollector } from '../../../support/collector.ts';
import { createDice } from '../../../support/dice.ts';
import { readSamples } from '../../../support/exposition.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';
import { PROTOCOL_CLIENTS } from '../../../support/protocols.ts';
import { makeReport } from '../../../support/reports.ts';
import { TEST_LIMITS } from '../../../support/test-limits.ts';

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector({ console: { listen: { host: '127.0.0.1', port: 0 } } });
});

afterAll(() => collector.close());

/** The current value by series. */
async function scrape(): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${collector.consoleUrl}/metrics`);
  return readSamples(await response.text());
}

/** The increase of each counter during an action. */
async function growth(act: () => Promise<unknown>): Promise<Readonly<Record<string, number>>> {
  const before = await scrape();
  await act();
  const after = await scrape();
  const grown = [...after].map(([series, value]) => [series, value - (before.get(series) ?? 0)] as const);
  return Object.fromEntries(grown.filter(([series, by]) => by !== 0 && /_total|^batch_|^commit_/.test(series)));
}

describe('reports are counted by protocol, dialect and outcome', () => {
  const PROTOCOLS: readonly (readonly [RegExp, string])[] = [
    [/^gRPC-Web/, 'grpc-web'],
    [/^grpc|^gRPC/, 'grpc'],
    [/^Connect/, 'connect'],
  ];

  test.each(PROTOCOL_CLIENTS)('over $name', async ({ name, json, open }) => {
    const protocol = PROTOCOLS.find(([pattern]) => pattern.test(name))?.[1] ?? '';
    const client = open(collector.url);
    const [good, bad, large] = [makeReport(), makeReport(), makeReport()];
    bad.clusterId = '';
    large.extensions = [
      create(ExtensionSchema, {
        name: 'large',
        value: 'x'.repeat(json ? TEST_LIMITS.maxJsonBytes : TEST_LIMITS.maxProtobufBytes),
      }),
    ];

    const grown = await growth(async () => {
      for (const report of [good, good, bad, large]) await client.send(report);
    });

    client.close();
    const series = (labels: string): string =>
      `reports_total{protocol="${protocol}",dialect="report",outcome="${labels}"}`;
    expect(grown).toMatchObject({
      [series('stored')]: 1,
      [series('duplicate')]: 1,
      [series('invalid')]: 1,
      [`rejections_total{protocol="${protocol}",reason="invalid"}`]: 1,
      [`rejections_total{protocol="${protocol}",reason="too-large"}`]: 1,
      batch_reports_count: 2,
      batch_reports_sum: 2,
      commit_seconds_count: 2,
    });
    expect(
      Object.keys(grown).filter((name_) => name_.startsWith('re') && name_ !== 'received_bytes_total'),
    ).toHaveLength(5);
  });

  test.each([
    ['/api/v1', 'spartakus', 'legacy/spartakus-volunteer-report.json'],
    ['/api/v1', 'coreos', 'legacy/coreos-report.json'],
    ['/api/coreos/v1', 'coreos', 'legacy/coreos-report.json'],
    ['/api/v1', 'kubermatic', 'kubermatic/report-v2.json'],
    ['/api/kubermatic/v1', 'kubermatic', 'kubermatic/report-v1.json'],
  ])('POST %s of %s', async (at, dialect, file) => {
    const body = await readFile(new URL(`../../../fixtures/${file}`, import.meta.url), 'utf8');

    const grown = await growth(() =>
      fetch(collector.url + at, { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
    );

    // Some of these tell the same: where an id is made of what is told, that is a duplicate.
    const counted = Object.keys(grown).filter((series) => series.startsWith('reports_total'));
    expect(new Set(counted.map((series) => series.replace(/(?<=outcome=")(stored|duplicate)/, 'taken')))).toStrictEqual(
      new Set([`reports_total{protocol="http",dialect="${dialect}",outcome="taken"}`]),
    );
  });
});

test.each([
  ['POST', '/spartakus.collector.v1.CollectorService/SubmitReport', 'text/plain', 'connect', 'unsupported-media-type'],
  ['PUT', '/spartakus.collector.v1.CollectorService/SubmitReport', 'application/json', 'connect', 'not-found'],
  ['POST', '/spartakus.collector.v1.CollectorService/NoSuchCall', 'application/json', 'connect', 'unimplemented'],
  ['POST', '/spartakus.collector.v1.CollectorService/NoSuchCall', 'application/grpc', 'grpc', 'unimplemented'],
  ['POST', '/no.such.Service/Call', 'application/grpc-web+proto', 'grpc-web', 'unimplemented'],
  ['PUT', '/api/v1', 'application/json', 'http', 'not-found'],
  ['POST', '/api/v1', 'text/plain', 'http', 'unsupported-media-type'],
])(
  'an invalid request is counted once, by its reason: %s %s of %s',
  async (method, at, contentType, protocol, reason) => {
    const grown = await growth(() =>
      fetch(collector.url + at, { method, headers: { 'content-type': contentType }, body: '{}' }),
    );

    expect(Object.entries(grown).filter(([series]) => /^re(ports|jections)/.test(series))).toStrictEqual([
      [`rejections_total{protocol="${protocol}",reason="${reason}"}`, 1],
    ]);
  },
);

test('connections and received bytes are counted', async () => {
  const before = await scrape();
  const silent = net.connect(collector.port, '127.0.0.1');
  const session = http2.connect(collector.url);
  const stream = session.request({ ':path': '/version' });
  await once(stream.resume(), 'end');
  const agent = new http.Agent({ keepAlive: true });
  const request = http.get(`${collector.url}/version`, { agent, headers: { 'x-filler': 'x'.repeat(5_000) } });
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  await once(response.resume(), 'end');

  const during = await scrape();
  const grownBy = (series: string): number => (during.get(series) ?? 0) - (before.get(series) ?? 0);
  expect(grownBy('connections_opened_total')).toBe(3);
  expect(during.get('connections{kind="new"}')).toBe(1);
  expect(grownBy('connections{kind="http1"}')).toBe(1);
  expect(grownBy('connections{kind="http2"}')).toBe(1);
  expect(grownBy('received_bytes_total')).toBeGreaterThan(5_000);
  expect(grownBy('received_bytes_total')).toBeLessThan(6_000);

  session.destroy();
  agent.destroy();
  silent.destroy();
  await expect.poll(async () => (await scrape()).get('connections{kind="new"}')).toBe(0);
  await expect
    .poll(async () => (await scrape()).get('connections{kind="http2"}'))
    .toBe(before.get('connections{kind="http2"}'));
  // What came over connections that are closed still counts.
  expect((await scrape()).get('received_bytes_total')).toBeGreaterThanOrEqual(during.get('received_bytes_total') ?? 0);
});

test('the database, pending reports, the process and its event loop are exposed', async () => {
  const metrics = await scrape();

  expect(metrics.get('database_up')).toBe(1);
  expect([metrics.get('pending_reports'), metrics.get('pending_bytes')]).toStrictEqual([0, 0]);
  expect(metrics.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(0);
  expect(metrics.get('process_resident_memory_bytes')).toBeGreaterThan(0);
});

test('no label value comes from a client', async () => {
  const seed = Number(process.env['SPARTAKUS_TEST_SEED'] ?? Date.now() % 1_000_000);
  const dice = createDice(seed);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(dice() * items.length)] as Item;
  const text = (): string => dice().toString(36).slice(2);
  const TEXTS = ['{}', '{"clusterID":"planted-cluster"}', '\0', '[', '{"a":"\u{1F600}"}', 'x'.repeat(200_000)];
  const flood = async (): Promise<void> => {
    const headers = {
      'content-type': pick([
        'application/json',
        'application/proto',
        'application/grpc-web+proto',
        'application/connect+json',
        'text/plain',
        'planted/type',
      ]),
      authorization: `Bearer planted-${text()}`,
      'x-forwarded-for': `192.0.2.${pick([1, 2, 3])}`,
      'user-agent': `planted-${text()}`,
    };
    const at = pick([
      '/api/v1',
      '/api/coreos/v1',
      '/api/kubermatic/v1',
      '/metrics',
      `/planted-${text()}`,
      '/spartakus.collector.v1.CollectorService/SubmitReport',
      '/grpc.health.v1.Health/Check',
      `/planted.Service/${text()}`,
    ]);
    const response = await fetch(collector.url + at, {
      method: pick(['POST', 'POST', 'PUT', 'DELETE', 'OPTIONS']),
      headers,
      body: pick(TEXTS),
    });
    await response.arrayBuffer();
  };
  for (let round = 0; round < 30; round += 1) await Promise.all(Array.from({ length: 20 }, flood));

  const series = [...(await scrape()).keys()];

  const own = series.filter((name) => !/^(nodejs|process)_/.test(name));
  expect(own.length, `SPARTAKUS_TEST_SEED=${seed}`).toBeLessThan(200);
  expect(
    own.filter((name) => /planted|192\.0\.2|127\.0\.0/.test(name)),
    `SPARTAKUS_TEST_SEED=${seed}`,
  ).toStrictEqual([]);
  const labels = new Set(
    own.flatMap((name) =>
      [...name.matchAll(/(\w+)="([^"]*)"/g)]
        .filter(([, label]) => label !== 'le')
        .map(([, label, value]) => `${label}=${value}`),
    ),
  );
  expect([...labels].toSorted(), `SPARTAKUS_TEST_SEED=${seed}`).toStrictEqual(
    [...labels].filter((label) => KNOWN_LABELS.has(label)).toSorted(),
  );
});

/** Every value that a label may have. */
const KNOWN_LABELS: ReadonlySet<string> = new Set([
  ...['connect', 'grpc', 'grpc-web', 'http'].map((value) => `protocol=${value}`),
  ...['report', 'spartakus', 'coreos', 'kubermatic'].map((value) => `dialect=${value}`),
  ...[
    'invalid',
    'too-large',
    'unsupported-media-type',
    'unauthenticated',
    'forbidden',
    'not-found',
    'unimplemented',
    'rate-limited',
    'overloaded',
    'unavailable',
    'internal',
  ].flatMap((kind) => [`outcome=${kind}`, `reason=${kind}`]),
  'outcome=stored',
  'outcome=duplicate',
  'kind=http1',
  'kind=http2',
  'kind=new',
  ...['known', 'new', 'quarantined'].map((value) => `result=${value}`),
  'version=v9.9.9',
]);

test('the expiry of the certificate is exposed with TLS only', async () => {
  const fixture = (name: string): string => path.join(import.meta.dirname, '../../../fixtures/tls', name);
  const config = {
    console: { listen: { host: '127.0.0.1', port: 0 } },
    tls: { certFile: fixture('chain.crt'), keyFile: fixture('server.key') },
  };
  const withTls = await startCollectorOn('', config, { openStore: () => Promise.resolve(createMemoryStore()) });

  const body = await (await fetch(`${withTls.consoleUrl}/metrics`)).text();

  await withTls.close();
  expect(body).toContain(`\nspartakus_collector_certificate_expiry_timestamp_seconds ${Date.UTC(2100) / 1_000}\n`);
  expect((await scrape()).has('certificate_expiry_timestamp_seconds')).toBe(false);
});
