import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { inRoot, startProgram, startServer } from '../processes.ts';
import { ratio, spreadOf } from '../rounds.ts';
import {
  type BenchCase,
  type BenchContext,
  collectorCommand,
  type Ratio,
  type Row,
  withDirectory,
  withServers,
} from './case.ts';

/** The sizes of clusters, and the targets of a volunteer there. `peakMiB` is also what the manifests grant: test/deploy/volunteer.test.ts. */
const SIZES = [
  { nodes: 5, targets: { cpuSeconds: 0.15, peakMiB: 66, sentSeconds: 0.2 } },
  { nodes: 5_000, targets: { cpuSeconds: 0.6, peakMiB: 100, sentSeconds: 4 } },
  { nodes: 20_000, targets: { cpuSeconds: undefined, peakMiB: 170, sentSeconds: undefined } },
];
/** A larger one takes long. */
const MOST_REPEATED_NODES = 5_000;
const RUNS = 5;
const QUICK_RUNS = 2;

const FIGURES = {
  cpuSeconds: { name: 'CPU time', unit: 's' },
  peakMiB: { name: 'memory', unit: 'MiB' },
  sentSeconds: { name: 'wall time', unit: 's' },
} as const;
type Figure = keyof typeof FIGURES;
type Measured = Readonly<Record<Figure, number>>;

/** From the start of a process to its end, with the collector's receipt. */
async function measure(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Measured> {
  const startedAt = performance.now();
  const { code, output } = await startProgram(['--import', './test/bench/measure.mjs', ...args], { env }).ended;
  const sentSeconds = (performance.now() - startedAt) / 1000;
  const measured = /^MEASURED (.*)$/m.exec(output)?.[1];
  if (code !== 0 || measured === undefined) throw new Error(`a measured program ended with ${code}: ${output}`);
  return { ...(JSON.parse(measured) as Omit<Measured, 'sentSeconds'>), sentSeconds };
}

const KUBECONFIG = (port: number, ca: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': ca } }],
    users: [{ name: 'bench', user: { token: 'bench' } }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    'current-context': 'bench',
  });

async function measureSize(
  { nodes, targets }: (typeof SIZES)[number],
  { port, directory }: { readonly port: number; readonly directory: string },
  { isQuick }: BenchContext,
): Promise<{ readonly rows: readonly Row[]; readonly ratios: readonly Ratio[] }> {
  const server = await startServer(['test/bench/kube-server.ts', String(nodes)]);
  try {
    const env = {
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: String(server.port),
      KUBECONFIG: path.join(directory, 'kubeconfig'),
    };
    await writeFile(env.KUBECONFIG, KUBECONFIG(server.port, path.join(directory, 'ca.crt')));
    const volunteer = [
      'dist/main.js',
      'volunteer',
      '--cluster-id=bench',
      '--period=0',
      `--database=grpc://127.0.0.1:${port}`,
      `--service-account-dir=${directory}`,
    ];
    const [ours, theirs]: [Measured[], Measured[]] = [[], []];
    const runs = nodes > MOST_REPEATED_NODES ? 1 : isQuick ? QUICK_RUNS : RUNS;
    for (let run = 0; run < runs; run += 1) {
      ours.push(await measure(volunteer, env));
      theirs.push(await measure(['test/bench/client-node-baseline.ts'], { KUBECONFIG: env.KUBECONFIG }));
    }
    const size = `${nodes.toLocaleString('en-US')} nodes`;
    const keys = Object.keys(FIGURES) as Figure[];
    const row = (name: string, all: readonly Measured[]): Row => ({
      name: `${name}, ${size}`,
      figures: Object.fromEntries(
        keys.map((key) => {
          const { name: figure, unit } = FIGURES[key];
          return [`${figure}, ${unit}`, spreadOf(all.map((each) => each[key]))];
        }),
      ),
    });
    const absolute = keys
      .filter((key) => targets[key] !== undefined)
      .map((key): Ratio => ({
        id: `${nodes}-${key}`,
        label: `${size}, ${FIGURES[key].name}`,
        value: spreadOf(ours.map((each) => each[key])),
        unit: FIGURES[key].unit,
        better: 'lower',
        target: targets[key] as number,
        isAbsolute: true,
      }));
    const relative = keys.map((key): Ratio => ({
      id: `${nodes}-${key}-ratio`,
      label: `${size}, ${FIGURES[key].name} of client-node`,
      value: ratio(
        ours.map((each) => each[key]),
        theirs.map((each) => each[key]),
      ),
      better: 'lower',
    }));
    return {
      rows: [row('volunteer', ours), row('@kubernetes/client-node lists nodes as JSON', theirs)],
      ratios: [...absolute, ...relative],
    };
  } finally {
    await server.close();
  }
}

/** A one-shot volunteer that gathers and sends, beside Kubernetes' own client, which lists the nodes and sends nothing. */
export const VOLUNTEER_CASE: BenchCase = {
  id: 'volunteer',
  title: 'Volunteer',
  run: (context) =>
    withDirectory(async (directory) => {
      await writeFile(path.join(directory, 'token'), 'bench');
      await writeFile(path.join(directory, 'ca.crt'), await readFile(inRoot('test/fixtures/tls/ca.crt')));
      const collector = collectorCommand('--database=stdout', '--max-report-size=16Mi');
      return await withServers({ collector }, async ({ collector: { port } }) => {
        const rows: Row[] = [];
        const ratios: Ratio[] = [];
        for (const size of context.isQuick ? SIZES.slice(0, 2) : SIZES) {
          const measured = await measureSize(size, { port, directory }, context);
          rows.push(...measured.rows);
          ratios.push(...measured.ratios);
        }
        return { rows, ratios };
      });
    }),
};
