import { once } from 'node:events';
import http from 'node:http';
import { beforeAll, expect, test } from 'vitest';
import { launchCollector, startCollectorProgram } from '../support/collector-program.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { listen } from '../support/listen.ts';
import { type Ended, SOURCES } from '../support/program.ts';
import { legacyJson } from '../support/protocols.ts';
import { makeReport } from '../support/reports.ts';

/** Runs beside the other tests, because a collector waits five seconds for its database. */
let withoutDatabase: Promise<Ended>;

beforeAll(() => {
  withoutDatabase = launchCollector(['--database=mongodb://admin:hunter2@127.0.0.1:1/x']).ended;
});

test.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s a collector answers the requests that it has accepted, and exits with 0',
  async (signal) => {
    const collector = await startCollectorProgram(['--database=stdout']);
    const report = makeReport();
    const body = legacyJson(report);
    // A request in flight at the signal: its body is incomplete.
    const request = http.request(`${collector.url}/api/v1`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
        expect: '100-continue',
      },
    });
    request.flushHeaders();
    await once(request, 'continue');
    request.write(body.slice(0, 10));

    collector.process.kill(signal);
    await collector.says(/stopping/);
    // A second time, as npm does at Ctrl-C.
    collector.process.kill(signal);
    request.end(body.slice(10));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];

    expect(response.statusCode).toBe(204);
    const { code, stdout } = await collector.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ _id: report.reportId, clusterID: report.clusterId });
  },
);

test('a client that keeps its connection open does not prevent a collector from stopping', async () => {
  const collector = await startCollectorProgram(['--database=stdout', '--shutdown-grace=200ms']);
  const request = http.request(`${collector.url}/api/v1`, { method: 'POST', headers: { 'content-length': 10 } });
  request.on('error', () => undefined);
  request.flushHeaders();
  await once(request, 'socket');
  await fetch(`${collector.url}/healthz`);

  await expect(collector.stop()).resolves.toMatchObject({ code: 0 });
});

test('of two collectors on one embedded database the second fails, and names the file with the URI of the first', async () => {
  const database = await makeEmbeddedDatabase();
  const first = await startCollectorProgram([`--database=${database.spec}`]);

  const second = await launchCollector([`--database=${database.spec}`]).ended;
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('mongodb-uri');
  const third = await startCollectorProgram([`--database=${await database.uri()}`]);
  const response = await fetch(`${third.url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });

  expect(response.status).toBe(204);
  await expect((await database.reports()).countDocuments()).resolves.toBe(1);
  await third.stop();
  await database.remove(async () => void (await first.stop()));
});

test('a port that is in use is a clear error, and exit code 1', async () => {
  const holder = http.createServer();
  const port = await listen(holder);

  const { code, stderr } = await launchCollector([`--port=${port}`, '--database=stdout']).ended;

  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^spartakus collector: --port ${port} cannot be opened: .*EADDRINUSE`));
  holder.close();
});

test('a database that cannot be reached is a clear error without the password, and exit code 1', async () => {
  const { code, stderr } = await withoutDatabase;

  expect(code).toBe(1);
  expect(stderr).toMatch(/^spartakus collector: --database mongodb:\/\/admin:\*\*\*@127\.0\.0\.1:1\/x: /);
  expect(stderr).not.toContain('hunter2');
});

test('npm start prints commands that work: curl, gRPC, volunteer, and the metrics', async () => {
  const collector = launchCollector(['--console-listen=127.0.0.1:0', '--database=stdout', '--examples'], {}, [SOURCES]);
  await collector.says(/curl -i[^]*node_modules\/.bin\/buf curl[^]*volunteer --cluster-id auto/);
  const [, metrics = ''] = await collector.says(/^curl (http:\S+\/metrics)$/m);
  await expect(fetch(metrics)).resolves.toMatchObject({ status: 200 });

  collector.process.kill('SIGTERM');
  await expect(collector.ended).resolves.toMatchObject({ code: 0 });
});
