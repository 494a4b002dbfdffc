import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';
import { createProgress } from '../../src/cli/progress.ts';
import { openGrpcSink } from '../../src/delivery/transport/grpc.ts';
import { generateReports } from './population.ts';

// `npm run demo`: a collector with a throw-away database and a made-up year of 2,000 clusters. Further arguments are flags of the collector.

const CLUSTERS = 2_000;
/** A year, and the time after which the first clusters of a collector are all active. */
const DAYS = 364 + 16;
const BATCH_REPORTS = 500;
const BATCHES_IN_FLIGHT = 4;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const PROGRAM = join(import.meta.dirname, '../../src/main.ts');

/** Every report of the demo comes from one address, and a year of reports in a minute. */
const LIMITS = ['--max-address-rate=0', '--max-address-bytes=0', '--max-cluster-rate=0', '--max-new-clusters=0'];

async function run(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'spartakus-demo-'));
  const flags = [
    `--database=embedded:${directory}`,
    '--host=127.0.0.1',
    '--port=0',
    ...LIMITS,
    ...process.argv.slice(2),
  ];
  const collector = spawn(process.execPath, [PROGRAM, 'collector', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(collector, 'exit');
  const stop = (): void => void collector.kill('SIGTERM');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  try {
    const urls = await Promise.race([readUrls(collector.stderr), ended.then(() => undefined)]);
    if (urls === undefined) throw new Error('the collector did not start');
    await sendReports(urls.url);
    await runProgram(['stats', 'rebuild', `--database=embedded:${directory}`]);
    process.stdout.write(
      `\nThe statistics of ${CLUSTERS} made-up clusters: ${urls.console}\nCtrl-C stops the demo and removes its database.\n`,
    );
    await ended;
  } finally {
    stop();
    await ended;
    await rm(directory, { recursive: true, force: true });
  }
}

/** Resolves with the addresses that the collector logs; shows its other lines. */
async function readUrls(log: NodeJS.ReadableStream): Promise<{ readonly url: string; readonly console: string }> {
  const lines = createInterface({ input: log });
  return await new Promise((resolve) => {
    lines.on('line', (line) => {
      const [url, address] = [/"url":"([^"]+)"/, /"console":"([^"]+)"/].map((pattern) => pattern.exec(line)?.[1]);
      if (url !== undefined && address !== undefined) resolve({ url, console: address });
      else if (!/"level":"(?:debug|info)"|--trusted-proxies/.test(line)) process.stderr.write(`${line}\n`);
    });
  });
}

async function sendReports(url: string): Promise<void> {
  const until = new Date(Math.floor(Date.now() / HOUR_MS) * HOUR_MS);
  const sink = openGrpcSink(url.replace('http', 'grpc'));
  const reports = generateReports({ clusters: CLUSTERS, seed: 1, until, days: DAYS });
  const startMs = until.getTime() - DAYS * DAY_MS;
  const progress = createProgress(process.stderr);
  const sendNext = async (): Promise<void> => {
    for (let batch = take(reports); batch.length > 0; batch = take(reports)) {
      const outcomes = await sink.put(batch.map((report) => ({ report })));
      const failed = outcomes.find((outcome) => outcome.status === 'failed');
      if (failed?.status === 'failed') throw failed.error;
      const seconds = Number(batch.at(-1)?.observedAt?.seconds ?? 0);
      progress.show('days sent', Math.max(0, Math.round((seconds * 1000 - startMs) / DAY_MS)), DAYS);
    }
  };
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, sendNext));
  await sink.close();
  progress.end();
}

function take(reports: Generator<Report>): Report[] {
  const batch: Report[] = [];
  while (batch.length < BATCH_REPORTS) {
    const next = reports.next();
    if (next.done === true) break;
    batch.push(next.value);
  }
  return batch;
}

async function runProgram(args: readonly string[]): Promise<void> {
  const program = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'inherit' });
  const [code] = (await once(program, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`spartakus ${args.slice(0, 2).join(' ')} ended with code ${code}`);
}

await run();
