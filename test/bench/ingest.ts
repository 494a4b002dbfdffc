import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import http from 'node:http';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { UNLIMITED_CLIENTS } from '../support/collector-program.ts';
import { legacyJson } from '../support/protocols.ts';
import { openCall, postLegacy, STREAM_PATH, streamFrame, submit, submitFrame } from '../support/raw-grpc.ts';
import { makeReport } from '../support/reports.ts';

/**
 * The CPU time that a report costs the collector by each protocol, beside a baseline in the same run: `npm run bench:ingest`. It is the CPU
 * time of the server's process, read from /proc (Linux only); a report is small (one node), so that the protocol dominates.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const REPORTS = Number(process.argv[2] ?? 10_000);
const CONCURRENCY = 64;
const CONNECTIONS = 4;

interface Server {
  readonly url: string;
  readonly pid: number;
  close(): Promise<void>;
}

async function startServer(args: readonly string[], pattern: RegExp): Promise<Server> {
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    env: { PATH: process.env['PATH'] },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(child, 'exit');
  let text = '';
  const url = await new Promise<string>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      if (text.length > 10_000) return;
      text += chunk.toString();
      const found = pattern.exec(text)?.[1];
      if (found !== undefined) resolve(found.startsWith('http') ? found : `http://127.0.0.1:${found}`);
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    void exited.then(() => reject(new Error(`a server ended early: ${text}`)));
  });
  return {
    url,
    pid: child.pid ?? 0,
    close: async () => {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

const startCollector = (database: string, ...flags: string[]): Promise<Server> =>
  startServer(
    [
      'dist/main.js',
      'collector',
      '--host=127.0.0.1',
      '--port=0',
      `--database=${database}`,
      ...UNLIMITED_CLIENTS,
      ...flags,
    ],
    /"url":"(http:[^"]+)"/,
  );

async function cpuMs(pid: number): Promise<number> {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  // utime and stime, in ticks of a hundredth of a second: proc(5).
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Sends `count` reports, `CONCURRENCY` at a time, and returns the number of responses by status. */
async function sendAll(count: number, send: (index: number) => Promise<string>): Promise<Map<string, number>> {
  const statuses = new Map<string, number>();
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < count) {
      const status = await send(next++);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, loop));
  return statuses;
}

type Load = (url: string, count: number) => Promise<Map<string, number>>;

const sendUnary: Load = async (url, count) => {
  const sessions = Array.from({ length: CONNECTIONS }, () => http2.connect(url));
  const frames = Array.from({ length: count }, () => submitFrame());
  const statuses = await sendAll(count, async (index) => {
    const trailers = await submit(sessions[index % CONNECTIONS] as http2.ClientHttp2Session, frames[index]);
    return String(trailers['grpc-status']);
  });
  for (const session of sessions) session.close();
  return statuses;
};

const sendStream: Load = async (url, count) => {
  const session = http2.connect(url);
  const stream = openCall(session, STREAM_PATH);
  let receivedBytes = 0;
  stream.on('data', (chunk: Buffer) => (receivedBytes += chunk.length));
  const ended = once(stream, 'trailers') as Promise<[http2.IncomingHttpHeaders]>;
  for (let sent = 0; sent < count; sent += 100) {
    const frames = Array.from({ length: 100 }, () => streamFrame());
    if (!stream.write(Buffer.concat(frames))) await once(stream, 'drain');
  }
  stream.end();
  const [trailers] = await ended;
  session.close();
  // A receipt takes some forty bytes.
  return new Map([[receivedBytes > 30 * count ? String(trailers['grpc-status']) : 'too few receipts', count]]);
};

const sendJson: Load = async (url, count) => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONCURRENCY });
  const bodies = Array.from({ length: count }, () => legacyJson(makeReport()));
  const statuses = await sendAll(count, async (index) => {
    const { statusCode } = await postLegacy(url, agent, bodies[index]);
    return statusCode === 204 ? '0' : String(statusCode);
  });
  agent.destroy();
  return statuses;
};

interface Figures {
  readonly cpuMicroseconds: number;
  readonly perSecond: number;
}

async function measure(server: Server, load: Load, expected: string): Promise<Figures> {
  await load(server.url, Math.ceil(REPORTS / 5));
  const before = await cpuMs(server.pid);
  const start = performance.now();
  const statuses = await load(server.url, REPORTS);
  const seconds = (performance.now() - start) / 1000;
  // A token bucket accepts one request a second.
  if ((statuses.get(expected) ?? 0) < 0.99 * REPORTS)
    throw new Error(`expected ${REPORTS} responses with status ${expected}, received ${JSON.stringify([...statuses])}`);
  return { cpuMicroseconds: (((await cpuMs(server.pid)) - before) * 1000) / REPORTS, perSecond: REPORTS / seconds };
}

const print = (name: string, { cpuMicroseconds, perSecond }: Figures, note = ''): void => {
  process.stdout.write(
    `${name.padEnd(52)} ${cpuMicroseconds.toFixed(1).padStart(8)} ${perSecond.toFixed(0).padStart(9)}  ${note}\n`,
  );
};
const ratio = (ours: Figures, theirs: Figures): string =>
  `${(ours.cpuMicroseconds / theirs.cpuMicroseconds).toFixed(2)} of the baseline's CPU`;

process.stdout.write(`${REPORTS} reports a line\n${'protocol'.padEnd(52)}   CPU us reports/s\n`);
const baseline = await startServer(['test/bench/servers/connect.ts'], /^(\d+)$/m);
const collector = await startCollector('stdout');
try {
  const connectUnary = await measure(baseline, sendUnary, '0');
  const connectStream = await measure(baseline, sendStream, '0');
  print('baseline: gRPC unary by Connect, storing nothing', connectUnary);
  const ownUnary = await measure(collector, sendUnary, '0');
  print('gRPC unary, printed', ownUnary, ratio(ownUnary, connectUnary));
  print('baseline: gRPC stream by Connect, storing nothing', connectStream);
  const ownStream = await measure(collector, sendStream, '0');
  print('gRPC stream, printed', ownStream, ratio(ownStream, connectStream));
  print('POST /api/v1, printed', await measure(collector, sendJson, '0'));
} finally {
  await baseline.close();
  await collector.close();
}
const rejecting = await startCollector('stdout', '--max-address-rate=1');
try {
  print('gRPC unary, rejected', await measure(rejecting, sendUnary, '8'));
} finally {
  await rejecting.close();
}
const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-bench-'));
const durable = await startCollector(`embedded:${directory}`);
try {
  print('gRPC unary, durable in the embedded engine', await measure(durable, sendUnary, '0'));
  print('gRPC stream, durable in the embedded engine', await measure(durable, sendStream, '0'));
  print('POST /api/v1, durable in the embedded engine', await measure(durable, sendJson, '0'));
} finally {
  await durable.close();
  await rm(directory, { recursive: true });
}
