import type { LoadRequest } from '../load/load.ts';
import type { Server } from '../processes.ts';
import { alternate, type LoadResult } from '../rounds.ts';
import {
  type BenchCase,
  type BenchContext,
  collectorCommand,
  contend,
  type Series,
  SERVERS,
  withDirectory,
  withServers,
} from './case.ts';

type Load = Omit<LoadRequest, 'port' | 'seconds'>;
type Point = readonly [x: number, y: number];

const NO_FIGURES = { rows: [], ratios: [] } as const;

/** Measures each server at each x, and returns a line for each. */
async function curves(
  servers: readonly (readonly [name: string, server: Server, loadOf: (x: number) => Load])[],
  xs: readonly number[],
  context: BenchContext,
  valueOf: (figures: { readonly perSecond: number; readonly cpuMicros: number }) => number,
): Promise<readonly Series[]> {
  const series = servers.map(([name]) => ({ name, points: [] as Point[] }));
  const { seconds } = context.rounds;
  for (const x of xs) {
    context.progress(String(x));
    const contenders = await Promise.all(
      servers.map(([name, server, loadOf]) => contend(name, server, context, loadOf(x))),
    );
    const all = await alternate(contenders, { rounds: 1, seconds, warmUpSeconds: seconds / 4 });
    for (const [index, { perSecond, cpuMicros }] of all.entries())
      series[index]?.points.push([x, valueOf({ perSecond: perSecond[0] ?? 0, cpuMicros: cpuMicros[0] ?? 0 })]);
  }
  return series;
}

const concurrency: BenchCase = {
  id: 'concurrency',
  title: 'Throughput against connections, legacy JSON of two nodes',
  run: (context) =>
    withDirectory((directory) =>
      withServers(
        {
          bare: [`${SERVERS}/bare-http1.ts`],
          accepted: [`${SERVERS}/null-collector.ts`],
          durable: collectorCommand(`--database=embedded:${directory}`),
        },
        async ({ bare, accepted, durable }) => {
          const load = (connections: number): Load => ({ protocol: 'http1', connections, nodes: 2 });
          const xs = context.isQuick ? [1, 16, 256] : [1, 4, 16, 64, 256, 512];
          const series = await curves(
            [
              ['bare node:http', bare, load],
              ['null sink', accepted, load],
              ['durable', durable, load],
            ],
            xs,
            context,
            ({ perSecond }) => perSecond,
          );
          return { ...NO_FIGURES, series };
        },
      ),
    ),
};

/** Beyond the last size, a report is larger than --max-report-size. */
const NODES = [1, 10, 100, 1_000, 5_000, 20_000];
const MOST_JSON_NODES = 20_000;

const nodes: BenchCase = {
  id: 'nodes',
  title: 'CPU time of a report against its nodes, null sink',
  run: (context) =>
    withServers(
      {
        bare: [`${SERVERS}/bare-http2.ts`],
        ours: [`${SERVERS}/null-collector.ts`],
        bareJson: [`${SERVERS}/bare-http1.ts`],
      },
      async ({ bare, ours, bareJson }) => {
        const unary = (count: number): Load => ({ protocol: 'unary', connections: 2, inFlight: 1, nodes: count });
        const json = (count: number): Load => ({
          protocol: 'http1',
          connections: 2,
          nodes: Math.min(count, MOST_JSON_NODES),
        });
        const series = await curves(
          [
            ['bare node:http2', bare, unary],
            ['gRPC unary', ours, unary],
            ['bare node:http', bareJson, json],
            ['legacy JSON', ours, json],
          ],
          context.isQuick ? [1, 100, 5_000] : NODES,
          context,
          ({ cpuMicros }) => cpuMicros,
        );
        return { ...NO_FIGURES, series };
      },
    ),
};

const SHARES = [0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25];
const QUICK_SHARES = [0.25, 0.85, 1.2];
const LATENCY_LOAD: Load = { protocol: 'http1', connections: 256, nodes: 2 };

/** The requests of an open loop are due whether or not earlier ones are answered, and a latency counts from then. */
const latency: BenchCase = {
  id: 'latency',
  title: 'Latency against offered load, legacy JSON of two nodes, durable',
  run: (context) =>
    withDirectory((directory) =>
      withServers({ ours: collectorCommand(`--database=embedded:${directory}`) }, async ({ ours }) => {
        const { seconds } = context.rounds;
        const run = (offered?: number): Promise<LoadResult> =>
          context.generator.run({
            ...LATENCY_LOAD,
            port: ours.port,
            seconds: 1.5 * seconds,
            ...(offered === undefined ? {} : { offered }),
          });
        await run();
        const { answered, seconds: elapsed } = await run();
        const capacity = answered / elapsed;
        const [p50, p99]: [Point[], Point[]] = [[], []];
        for (const share of context.isQuick ? QUICK_SHARES : SHARES) {
          context.progress(`${share} of ${Math.round(capacity)} a second`);
          const offered = share * capacity;
          const result = await run(offered);
          p50.push([offered, result.p50]);
          p99.push([offered, result.p99]);
        }
        return {
          ...NO_FIGURES,
          series: [
            { name: 'p50', points: p50 },
            { name: 'p99', points: p99 },
          ],
        };
      }),
    ),
};

export const CURVE_CASES: readonly BenchCase[] = [concurrency, nodes, latency];
