import { toJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  GetStatisticsResponseSchema,
  StatisticsService,
} from '../../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import type { ConsoleConfig } from '../../../../src/collector/serve/console/console.ts';
import type { DayPoint } from '../../../../src/collector/statistics/day-point.ts';
import { POINTS } from '../../../../src/collector/statistics/point-store.ts';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { makeTestDatabase, type TestDatabase } from '../../../support/database.ts';
import { withFiles } from '../../../support/files.ts';
import { dayPoint, valuesPoint } from '../../../support/statistics.ts';

const TOKEN = 'an-operator-of-this-collector';
const LISTEN = { host: '127.0.0.1', port: 0 };
const TODAY = dayPoint('2026-11-21', {
  masterVersion: valuesPoint(
    { 'v1.37.0': 61, 'v1.36.1': 30, 'v1.20.0': 7, 'v1.19.0': 2 },
    { '1.37': 61, '1.36': 30, '1.20': 7, '1.19': 2 },
  ),
});

let database: TestDatabase;
let holder: LocalCollector;

/** A collector on the same database, without roll-ups. */
const start = async (console: Partial<ConsoleConfig> = {}) => {
  const collector = await startCollectorOn(await database.uri(), { console: { listen: LISTEN, ...console } });
  return { ...collector, consoleUrl: collector.consoleUrl ?? '' };
};

beforeAll(async () => {
  database = await makeTestDatabase();
  holder = await startCollectorOn(database.spec, { console: { listen: LISTEN } });
  await (await database.db()).collection<DayPoint>(POINTS).insertOne(TODAY);
});
afterAll(() => database.remove(() => holder.close()));

const TRANSPORTS: readonly [string, (baseUrl: string, token?: string) => Transport][] = [
  ['Connect', (baseUrl, token) => createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors: bearer(token) })],
  [
    'Connect over HTTP/2',
    (baseUrl, token) => createConnectTransport({ baseUrl, httpVersion: '2', interceptors: bearer(token) }),
  ],
  ['gRPC', (baseUrl, token) => createGrpcTransport({ baseUrl, interceptors: bearer(token) })],
  [
    'gRPC-Web',
    (baseUrl, token) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1', interceptors: bearer(token) }),
  ],
];

function bearer(token: string | undefined): NonNullable<Parameters<typeof createGrpcTransport>[0]['interceptors']> {
  if (token === undefined) return [];
  return [
    (next) => (request) => {
      request.header.set('authorization', `Bearer ${token}`);
      return next(request);
    },
  ];
}

describe('the statistics of a collector on this machine', () => {
  test.each(TRANSPORTS)('are the same over %s as in /stats.json', async (_name, open) => {
    const consoleUrl = holder.consoleUrl ?? '';
    const client = createClient(StatisticsService, open(consoleUrl));

    const answer = await client.getStatistics({ questions: ['masterVersion', 'support'] });
    const json = await fetch(`${consoleUrl}/stats.json?questions=masterVersion,support`);

    expect(json.headers.get('content-type')).toBe('application/json');
    await expect(json.json()).resolves.toStrictEqual(toJson(GetStatisticsResponseSchema, answer));
    expect(answer.answers[0]?.groups.map(({ value, clusters }) => [value, clusters?.value])).toStrictEqual([
      ['1.36', 30n],
      ['1.37', 61n],
      ['', 9n],
    ]);
  });

  test.each(TRANSPORTS)('are listed by question over %s, and an unknown question is rejected', async (_name, open) => {
    const client = createClient(StatisticsService, open(holder.consoleUrl ?? ''));

    const { questions } = await client.listQuestions({});
    expect(questions.map(({ id }) => id)).toContain('nodes.osImage');
    const error = await client.getStatistics({ questions: ['nodes.name'] }).catch((thrown: unknown) => thrown);
    expect(ConnectError.from(error)).toMatchObject({ code: Code.InvalidArgument });
  });

  test.each([
    ['questions=nodes.name', 'there is no question "nodes.name"'],
    ['filter=x', 'the query parameter "filter" is wrong'],
    ['detail=finest', 'the query parameter "detail" is wrong: use coarse or fine'],
    ['since=yesterday', 'since: "yesterday" is no day'],
  ])('/stats.json?%s is rejected', async (query, message) => {
    const response = await fetch(`${holder.consoleUrl}/stats.json?${query}`);
    expect(response.status).toBe(400);
    await expect(response.text()).resolves.toContain(message);
  });

  test('are not on the port for reports', async () => {
    await expect(fetch(`${holder.url}/stats.json`)).resolves.toMatchObject({ status: 404 });
  });

  test('are not read by a page of another host, such as one that rebinds its name to this machine', async () => {
    const { port } = new URL(holder.consoleUrl ?? '');
    const { request } = await import('node:http');
    const status = await new Promise((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', path: '/stats.json', headers: { host: 'attacker.example.com' } });
      sent.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
      sent.end();
    });
    expect(status).toBe(403);
  });
});

test.each(TRANSPORTS)('with a token file, statistics need a token over %s', async (_name, open) => {
  await withFiles({ tokens: `${TOKEN}\n` }, async (directory) => {
    const collector = await start({ tokenFile: `${directory}/tokens` });
    const { consoleUrl } = collector;
    const withoutToken = createClient(StatisticsService, open(consoleUrl)).getStatistics({});
    await expect(withoutToken).rejects.toMatchObject({ code: Code.Unauthenticated });
    const { day } = await createClient(StatisticsService, open(consoleUrl, TOKEN)).getStatistics({});
    expect(day).toBe('2026-11-21');
    await collector.close();
  });
});

describe('public statistics', () => {
  test('need no token, have larger groups and rounded numbers, and metrics still need one', async () => {
    await withFiles({ tokens: `${TOKEN}\n` }, async (directory) => {
      const collector = await start({ isPublic: true, tokenFile: `${directory}/tokens` });
      const { consoleUrl } = collector;
      const response = await fetch(`${consoleUrl}/stats.json?questions=masterVersion`);
      const { privacy, answers } = (await response.json()) as {
        privacy: object;
        answers: { groups: { value?: string; clusters: { value: string } }[] }[];
      };
      expect(privacy).toStrictEqual({ smallestGroup: 10, roundedTo: 5 });
      const groups = answers[0]?.groups ?? [];
      // The 9 clusters of old versions are fewer than 10, so another version is hidden with them.
      expect(groups.map(({ value = 'hidden' }) => value)).toStrictEqual(['1.37', 'hidden']);
      expect(groups.filter(({ clusters }) => Number(clusters.value) % 5 !== 0)).toStrictEqual([]);
      await expect(fetch(`${consoleUrl}/`)).resolves.toMatchObject({ status: 200 });
      await expect(fetch(`${consoleUrl}/metrics`)).resolves.toMatchObject({ status: 401 });
      await collector.close();
    });
  });

  test('hide groups of as many clusters as the operator sets', async () => {
    const collector = await start({ isPublic: true, smallestGroup: 50 });
    const { consoleUrl } = collector;
    const { privacy } = (await (await fetch(`${consoleUrl}/stats.json`)).json()) as {
      privacy: { smallestGroup: number };
    };
    expect(privacy.smallestGroup).toBe(50);
    await collector.close();
  });
});

test('a collector without a database has no statistics', async () => {
  const collector = await startCollectorOn('stdout', { console: { listen: LISTEN } });
  await expect(fetch(`${collector.consoleUrl}/stats.json`)).resolves.toMatchObject({ status: 404 });
  await collector.close();
});
