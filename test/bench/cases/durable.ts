import type { LoadRequest } from '../load/load.ts';
import { startServer } from '../processes.ts';
import { alternate, type Contender, type LoadResult, ratio, type Rounds, spreadOf } from '../rounds.ts';
import {
  type BenchCase,
  collectorCommand,
  contend,
  pidsOf,
  type Ratio,
  roundsOf,
  rowsOf,
  SERVERS,
  withDirectory,
  withServers,
} from './case.ts';

const JSON_LOAD = { protocol: 'http1', nodes: 2 } as const;
const BARE = 'bare node:http + JSON.parse, 256 connections';
const DURABLE_64 = 'collector, durable, 64 connections';
const DURABLE_256 = 'collector, durable, 256 connections';

const absolute = (id: string, label: string, values: readonly number[], target: number): Ratio => ({
  id,
  label,
  value: spreadOf(values),
  unit: 'a second',
  better: 'higher',
  target,
  isAbsolute: true,
});

/** The CPU time of a durable report is that of the collector and of its engine. */
const jsonDurable: BenchCase = {
  id: 'json-durable',
  title: 'Legacy JSON of two nodes, durable on the embedded engine',
  run: (context) =>
    withDirectory((directory) =>
      withServers(
        { ours: collectorCommand(`--database=embedded:${directory}`), bare: [`${SERVERS}/bare-http1.ts`] },
        async ({ ours, bare }) => {
          const all = await alternate(
            [
              await contend(DURABLE_64, ours, context, { ...JSON_LOAD, connections: 64 }),
              await contend(DURABLE_256, ours, context, { ...JSON_LOAD, connections: 256 }),
              await contend(BARE, bare, context, { ...JSON_LOAD, connections: 256 }),
            ],
            context.rounds,
          );
          const { perSecond } = roundsOf(all, DURABLE_256);
          const rates = ratio(perSecond, roundsOf(all, BARE).perSecond);
          return {
            rows: rowsOf(all),
            ratios: [
              { id: 'rate', label: 'rate of bare node:http, 256', value: rates, better: 'higher', target: 0.25 },
              absolute('reports', 'reports, 256 connections', perSecond, 12_000),
            ],
          };
        },
      ),
    ),
};

/** Inserts by the driver, which a program of its own does: servers/raw-insert.ts. */
async function withRawInserts<Result>(
  nodes: number,
  name: string,
  work: (contender: Contender) => Promise<Result>,
): Promise<Result> {
  return await withDirectory(async (directory) => {
    const server = await startServer([`${SERVERS}/raw-insert.ts`, directory, String(nodes)]);
    try {
      const run = async (seconds: number): Promise<LoadResult> => {
        const response = await fetch(`http://127.0.0.1:${server.port}/?seconds=${seconds}`);
        return (await response.json()) as LoadResult;
      };
      return await work({ name, pids: await pidsOf(server), run });
    } finally {
      await server.close();
    }
  });
}

const STREAM = 'collector, gRPC stream';
const INSERTS = 'insertMany by the driver';

interface StreamCase {
  readonly id: string;
  readonly title: string;
  readonly load: Omit<LoadRequest, 'port' | 'seconds'>;
  readonly targets: (ours: Rounds, inserts: Rounds) => readonly Ratio[];
}

function streamDurable({ id, title, load, targets }: StreamCase): BenchCase {
  return {
    id,
    title,
    run: (context) =>
      withDirectory((directory) =>
        withServers({ ours: collectorCommand(`--database=embedded:${directory}`) }, ({ ours }) =>
          withRawInserts(load.nodes, INSERTS, async (inserts) => {
            const all = await alternate([await contend(STREAM, ours, context, load), inserts], context.rounds);
            return { rows: rowsOf(all), ratios: targets(roundsOf(all, STREAM), roundsOf(all, INSERTS)) };
          }),
        ),
      ),
  };
}

const rateOfInserts = (ours: Rounds, inserts: Rounds, target?: number): Ratio => ({
  id: 'rate',
  label: `rate of ${INSERTS}`,
  value: ratio(ours.perSecond, inserts.perSecond),
  better: 'higher',
  ...(target === undefined ? {} : { target }),
});

const MANY_NODES = 100;

export const DURABLE_CASES: readonly BenchCase[] = [
  jsonDurable,
  streamDurable({
    id: 'stream-durable',
    title: 'gRPC stream of one node, durable on the embedded engine',
    load: { protocol: 'stream', connections: 2, inFlight: 2_000, nodes: 1 },
    targets: (ours, inserts) => [rateOfInserts(ours, inserts, 0.6)],
  }),
  streamDurable({
    id: 'stream-100-nodes',
    title: 'gRPC stream of 100 nodes a report, durable on the embedded engine',
    load: { protocol: 'stream', connections: 2, inFlight: 100, nodes: MANY_NODES },
    targets: (ours, inserts) => [
      absolute(
        'nodes',
        'nodes',
        ours.perSecond.map((rate) => rate * MANY_NODES),
        100_000,
      ),
      rateOfInserts(ours, inserts),
    ],
  }),
];
