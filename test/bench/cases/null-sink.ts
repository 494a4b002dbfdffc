import type { LoadRequest } from '../load/load.ts';
import { alternate, ratio } from '../rounds.ts';
import { type BenchCase, contend, roundsOf, rowsOf, SERVERS, withServers } from './case.ts';

type Load = Omit<LoadRequest, 'port' | 'seconds'>;

interface NullSinkOptions {
  readonly id: string;
  readonly title: string;
  readonly load: Load;
  /** The baselines by name. The target is a ratio to the first one's CPU time. */
  readonly baselines: Readonly<Record<string, string>>;
  readonly target: number;
}

const OURS = 'collector';

/** The collector with a store that keeps nothing, beside servers that do only what the protocol asks for. */
function nullSinkCase({ id, title, load, baselines, target }: NullSinkOptions): BenchCase {
  return {
    id,
    title,
    async run(context) {
      const commands = {
        [OURS]: [...context.nodeArgs, `${SERVERS}/null-collector.ts`],
        ...Object.fromEntries(Object.entries(baselines).map(([name, file]) => [name, [`${SERVERS}/${file}`]])),
      };
      return await withServers(commands, async (servers) => {
        const contenders = await Promise.all(
          Object.entries(servers).map(([name, server]) => contend(name, server, context, load)),
        );
        const all = await alternate(contenders, context.rounds);
        const ours = roundsOf(all, OURS);
        const ratios = Object.keys(baselines).map((name, index) => ({
          id: name,
          label: `CPU of ${name}`,
          value: ratio(ours.cpuMicros, roundsOf(all, name).cpuMicros),
          better: 'lower' as const,
          ...(index === 0 ? { target } : {}),
        }));
        return { rows: rowsOf(all), ratios };
      });
    },
  };
}

const GRPC_SERVERS = {
  'bare node:http2 + protobuf-es': 'bare-http2.ts',
  'grpc-js': 'grpc-js.ts',
  'connect-node': 'connect.ts',
};

export const NULL_SINK_CASES: readonly BenchCase[] = [
  nullSinkCase({
    id: 'json-null',
    title: 'Legacy JSON of two nodes, null sink',
    load: { protocol: 'http1', connections: 64, nodes: 2 },
    baselines: { 'bare node:http + JSON.parse': 'bare-http1.ts' },
    target: 2,
  }),
  nullSinkCase({
    id: 'grpc-unary',
    title: 'gRPC unary of one node, null sink',
    load: { protocol: 'unary', connections: 4, inFlight: 16, nodes: 1 },
    baselines: GRPC_SERVERS,
    target: 1.5,
  }),
  nullSinkCase({
    id: 'grpc-stream',
    title: 'gRPC stream of one node, null sink',
    load: { protocol: 'stream', connections: 1, inFlight: 512, nodes: 1 },
    baselines: GRPC_SERVERS,
    target: 2,
  }),
];
