import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { LoadRequest } from '../load/load.ts';
import { alternate, ratio } from '../rounds.ts';
import {
  type BenchCase,
  collectorCommand,
  contend,
  roundsOf,
  rowsOf,
  SERVERS,
  withDirectory,
  withServers,
} from './case.ts';

type Load = Omit<LoadRequest, 'port' | 'seconds'>;

const STORED = 'stored on the embedded engine';
const TARGET = 0.4;

/** Requests that a collector rejects, beside those that it stores: by the CPU time of the collector and of its engine. */
function rejectedCase(id: string, title: string, load: Load): BenchCase {
  return {
    id,
    title,
    run: (context) =>
      withDirectory(async (directory) => {
        const tokens = path.join(directory, 'tokens');
        await writeFile(tokens, 'bench-token\n');
        const nullCollector = [...context.nodeArgs, `${SERVERS}/null-collector.ts`];
        const commands = {
          stored: collectorCommand(`--database=embedded:${path.join(directory, 'data')}`),
          accepted: nullCollector,
          rate: [...nullCollector, '--address-rate=1'],
          capacity: [...nullCollector, '--stuck'],
          token: [...nullCollector, `--tokens=${tokens}`],
        };
        return await withServers(commands, async ({ stored, accepted, rate, capacity, token }) => {
          const rejected: Load = { ...load, isRejected: true };
          const all = await alternate(
            [
              await contend(STORED, stored, context, load),
              await contend('accepted, null sink', accepted, context, load),
              await contend('rejected for the rate of its address', rate, context, rejected),
              await contend('rejected for capacity', capacity, context, rejected),
              await contend('rejected for its token', token, context, {
                ...rejected,
                headers: { authorization: 'Bearer unknown' },
              }),
            ],
            { ...context.rounds, seconds: context.rounds.seconds / 2, warmUpSeconds: context.rounds.warmUpSeconds / 2 },
          );
          const { cpuMicros } = roundsOf(all, STORED);
          const ratios = all
            .filter(({ name }) => name.startsWith('rejected'))
            .map((rounds) => ({
              id: rounds.name,
              label: `CPU of one ${STORED}: ${rounds.name}`,
              value: ratio(rounds.cpuMicros, cpuMicros),
              better: 'lower' as const,
              target: TARGET,
            }));
          return { rows: rowsOf(all), ratios };
        });
      }),
  };
}

export const REJECTED_CASES: readonly BenchCase[] = [
  rejectedCase('rejected-json', 'Legacy JSON of two nodes, rejected', { protocol: 'http1', connections: 64, nodes: 2 }),
  rejectedCase('rejected-unary', 'gRPC unary of one node, rejected', {
    protocol: 'unary',
    connections: 4,
    inFlight: 16,
    nodes: 1,
  }),
];
