import http from 'node:http';
import { toJsonString } from '@bufbuild/protobuf';
import { ConnectError, Code } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import {
  type GetStatisticsRequest,
  GetStatisticsRequestSchema,
  type GetStatisticsResponse,
  StatisticsService,
} from '../../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import { createMemoryLimiter } from '../../../src/collector/serve/admission/memory-limiter.ts';
import { createDashboardRoutes } from '../../../src/collector/serve/console/dashboard-routes.ts';
import { createHttpHandler } from '../../../src/collector/serve/http/router.ts';
import { createAnswers, type PointReader, type Answers } from '../../../src/collector/statistics/answers.ts';
import { createFigures } from '../../../src/collector/statistics/figures.ts';
import { listQuestions, type QuestionSpec } from '../../../src/collector/statistics/questions.ts';
import { listen, shut } from '../../support/listen.ts';
import { type SimulatedCluster, simulateClusters } from './simulated-clusters.ts';
import { readSimulatedPoints } from './simulated-points.ts';

/** What the server answers. */
export type Scenario = 'full' | 'small' | 'one-day' | 'one-cluster' | 'empty' | 'error' | 'token' | 'pending';

export interface FixtureServer {
  readonly url: string;
  scenario: Scenario;
  /** The path of every request, in their order. */
  readonly requests: string[];
  close(): Promise<void>;
}

export const LAST_DAY = '2026-11-21';
export const TOKEN = 'operators-token';
const CLUSTERS = simulateClusters(LAST_DAY);

/** Serves the page as the collector does, with answers about simulated clusters. */
export async function startFixtureServer(
  scenario: Scenario,
  moreQuestions: readonly QuestionSpec[] = [],
): Promise<FixtureServer> {
  const statistics = createScenarios([...listQuestions(), ...moreQuestions]);
  const requests: string[] = [];
  const fixture = { scenario, requests };
  const page = createHttpHandler(createDashboardRoutes(), {
    memory: createMemoryLimiter(2 ** 20),
    limits: { bodyTimeoutMs: 10_000 },
    onRejection: () => undefined,
  });
  const service = connectNodeAdapter({
    routes: (router) =>
      router.service(StatisticsService, {
        listQuestions: () => ({ questions: statistics.full.listQuestions() }),
        async getStatistics(request, { requestHeader, signal }) {
          switch (fixture.scenario) {
            case 'error':
              throw new ConnectError('the database does not answer: server selection timed out', Code.Unavailable);
            case 'token':
              if (requestHeader.get('authorization') !== `Bearer ${TOKEN}`)
                throw new ConnectError('no valid bearer token', Code.Unauthenticated);
              return await statistics.small.answer(request);
            case 'pending':
              await new Promise((resolve) => signal.addEventListener('abort', resolve));
              throw new ConnectError('ended', Code.Canceled);
            case 'full':
            case 'small':
            case 'one-day':
            case 'one-cluster':
            case 'empty':
              return await statistics[fixture.scenario].answer(request);
          }
        },
      }),
  });
  const server = http.createServer((req, res) => {
    requests.push(`${req.method} ${req.url}`);
    if (req.url?.startsWith(`/${StatisticsService.typeName}/`)) service(req, res);
    else page(req, res, { protocol: 'http' });
  });
  const port = await listen(server);
  return Object.assign(fixture, { url: `http://127.0.0.1:${port}`, close: () => shut(server) });
}

/** The clusters of the scenario "small", of which 5 or more make a group, and whose figures are exact. */
export function fewClusters(): readonly SimulatedCluster[] {
  return CLUSTERS.filter(({ first }) => first < 20_000).slice(0, 900);
}

function createScenarios(questions: readonly QuestionSpec[]) {
  const key = new Uint8Array(32);
  const publicFigures = createFigures(key, 10, 5);
  const ownFigures = createFigures(key, 5, 1);
  const one = CLUSTERS.filter(({ end }) => end > 21_000).slice(0, 1);
  const of = (reader: PointReader, figures = publicFigures): Answers =>
    rememberAnswers(createAnswers({ questions, reader, figures }));
  const empty: PointReader = { lastDay: () => Promise.resolve(undefined), read: () => Promise.resolve([]) };
  return {
    full: of(readSimulatedPoints(CLUSTERS, '2024-11-22', LAST_DAY)),
    small: of(readSimulatedPoints(fewClusters(), '2026-09-01', LAST_DAY), ownFigures),
    'one-day': of(readSimulatedPoints(CLUSTERS, LAST_DAY, LAST_DAY)),
    'one-cluster': of(readSimulatedPoints(one, '2026-11-01', LAST_DAY), ownFigures),
    empty: of(empty),
  };
}

/** Most tests ask the same, and each answer is counted from thousands of clusters and hundreds of days. */
function rememberAnswers(answers: Answers): Answers {
  const answered = new Map<string, Promise<GetStatisticsResponse>>();
  return {
    ...answers,
    answer(request) {
      const key = toJsonString(GetStatisticsRequestSchema, request as GetStatisticsRequest);
      const response = answered.get(key) ?? answers.answer(request);
      answered.set(key, response);
      return response;
    },
  };
}
