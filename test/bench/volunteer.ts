import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/**
 * The CPU time, memory and time that a one-shot volunteer takes to gather and send, beside a baseline in the same run: `npm run bench`.
 * All are those of its process, from start to end, with the collector's receipt.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const RUNS = Number(process.argv[2] ?? 5);
/** The sizes of clusters, and the limits of a volunteer there. */
const SIZES = [
  { nodes: 5, cpuSeconds: undefined, peakMiB: 70, sentSeconds: 0.2 },
  { nodes: 5_000, cpuSeconds: 0.6, peakMiB: 110, sentSeconds: undefined },
  { nodes: 20_000, cpuSeconds: undefined, peakMiB: 170, sentSeconds: undefined },
];

interface Measured {
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly sentSeconds: number;
}

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  return spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function firstLine(child: ReturnType<typeof start>, pattern: RegExp): Promise<string> {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const ended = once(child, 'exit').then(() => Promise.reject(new Error(`a program ended early: ${text}`)));
  while (!pattern.test(text)) await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), ended]);
  ended.catch(() => undefined);
  return pattern.exec(text)?.[1] ?? '';
}

async function measure(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Measured> {
  const startedAt = performance.now();
  const child = start(['--import', './test/bench/measure.mjs', ...args], env);
  let text = '';
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stdout.resume();
  const [code] = (await once(child, 'close')) as [number];
  const sentSeconds = (performance.now() - startedAt) / 1000;
  const measured = /^MEASURED (.*)$/m.exec(text)?.[1];
  if (code !== 0 || measured === undefined) throw new Error(`a measured program failed with ${code}: ${text}`);
  return { ...(JSON.parse(measured) as { cpuSeconds: number; peakMiB: number }), sentSeconds };
}

function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function medianOf(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Measured> {
  const runs: Measured[] = [];
  for (let run = 0; run < RUNS; run += 1) runs.push(await measure(args, env));
  return {
    cpuSeconds: median(runs.map(({ cpuSeconds }) => cpuSeconds)),
    peakMiB: median(runs.map(({ peakMiB }) => peakMiB)),
    sentSeconds: median(runs.map(({ sentSeconds }) => sentSeconds)),
  };
}

const collector = start([
  'src/main.ts',
  'collector',
  '--port=0',
  '--console-listen=off',
  '--host=127.0.0.1',
  '--database=stdout',
  '--max-report-size=16Mi',
]);
const collectorHost = await firstLine(collector, /"url":"http:\/\/([^"]+)"/);
const work = await mkdtemp(path.join(tmpdir(), 'spartakus-bench-'));
try {
  await writeFile(path.join(work, 'token'), 'bench');
  await writeFile(path.join(work, 'ca.crt'), await readFile(path.join(ROOT, 'test/fixtures/tls/ca.crt')));
  process.stdout.write(
    `median of ${RUNS} runs\n nodes  program                        CPU s      peak MiB   sent s     allowed (CPU s, MiB, s)\n`,
  );
  for (const { nodes, ...allowed } of SIZES) {
    const server = start(['test/bench/kube-server.ts', String(nodes)]);
    const port = await firstLine(server, /^(\d+)$/m);
    const env = {
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: port,
      KUBECONFIG: path.join(work, 'kubeconfig'),
    };
    await writeFile(env.KUBECONFIG, kubeconfig(port, path.join(work, 'ca.crt')));
    const volunteer = [
      'dist/main.js',
      'volunteer',
      '--cluster-id=bench',
      '--period=0',
      `--database=grpc://${collectorHost}`,
      `--service-account-dir=${work}`,
    ];
    const ours = await medianOf(volunteer, env);
    const baseline = await medianOf(['test/bench/client-node-baseline.ts'], { KUBECONFIG: env.KUBECONFIG });
    const row = (name: string, { cpuSeconds, peakMiB, sentSeconds }: Measured, tail: string): void => {
      const cells = [cpuSeconds, peakMiB, sentSeconds].map((value) => value.toFixed(value < 10 ? 2 : 0).padEnd(10));
      process.stdout.write(`${String(nodes).padStart(6)}  ${name.padEnd(30)} ${cells.join(' ')} ${tail}\n`);
    };
    row(
      'volunteer',
      ours,
      [allowed.cpuSeconds, allowed.peakMiB, allowed.sentSeconds].map((value) => value ?? '-').join(', '),
    );
    row('baseline: client-node, JSON', baseline, '(sends nothing)');
    row('volunteer / baseline', ratio(ours, baseline), '');
    server.kill();
  }
} finally {
  collector.kill();
  await rm(work, { recursive: true });
}

function ratio(ours: Measured, baseline: Measured): Measured {
  return {
    cpuSeconds: ours.cpuSeconds / baseline.cpuSeconds,
    peakMiB: ours.peakMiB / baseline.peakMiB,
    sentSeconds: ours.sentSeconds / baseline.sentSeconds,
  };
}

function kubeconfig(port: string, ca: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster: { server: `https://127.0.0.1:${port}`, 'certificate-authority': ca } }],
    users: [{ name: 'bench', user: { token: 'bench' } }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    'current-context': 'bench',
  });
}
