import { once } from 'node:events';
import http from 'node:http';
import { expect, test } from 'vitest';
import { legacyJson } from '../contract/protocols.ts';
import { makeReport } from '../contract/report-sink.ts';
import { makeEmbeddedDatabase } from '../support/database.ts';
import { runProgram, startProgram } from '../support/program.ts';

test.each(['SIGTERM', 'SIGINT'] as const)(
  'on %s a collector answers what it has accepted, and exits with 0',
  async (signal) => {
    const collector = startProgram([
      'collector',
      '--port=0',
      '--console-listen=off',
      '--host=127.0.0.1',
      '--database=stdout',
    ]);
    const [, url = ''] = await collector.says(/"url":"([^"]+)"/);
    const report = makeReport();
    const body = legacyJson(report);
    // A request that is under way when the signal comes: its body is not all there.
    const request = http.request(`${url}/api/v1`, {
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
    // Again, as npm does with a Ctrl-C.
    collector.process.kill(signal);
    request.end(body.slice(10));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];

    expect(response.statusCode).toBe(204);
    const { code, stdout } = await collector.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ _id: report.reportId, clusterID: report.clusterId });
  },
);

test('a client that holds its connection open does not keep a collector from stopping', async () => {
  const collector = startProgram([
    'collector',
    '--port=0',
    '--console-listen=off',
    '--host=127.0.0.1',
    '--database=stdout',
    '--shutdown-grace=200ms',
  ]);
  const [, url = ''] = await collector.says(/"url":"([^"]+)"/);
  const request = http.request(`${url}/api/v1`, { method: 'POST', headers: { 'content-length': 10 } });
  request.on('error', () => undefined);
  request.flushHeaders();
  await once(request, 'socket');
  await fetch(`${url}/healthz`);

  collector.process.kill('SIGTERM');

  await expect(collector.ended).resolves.toMatchObject({ code: 0 });
});

test('two collectors on one embedded database: the second says who holds it, and where it can be reached', async () => {
  const database = await makeEmbeddedDatabase();
  const first = startProgram(['collector', '--port=0', '--console-listen=off', `--database=${database.spec}`]);
  await first.says(/"url"/);

  const second = await runProgram(['collector', '--port=0', '--console-listen=off', `--database=${database.spec}`]);
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('mongodb-uri');
  const third = startProgram([
    'collector',
    '--port=0',
    '--console-listen=off',
    '--host=127.0.0.1',
    `--database=${await database.uri()}`,
  ]);
  const [, url = ''] = await third.says(/"url":"([^"]+)"/);
  const response = await fetch(`${url}/api/v1`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });

  expect(response.status).toBe(204);
  await expect((await database.reports()).countDocuments()).resolves.toBe(1);
  third.process.kill('SIGTERM');
  await third.ended;
  await database.remove(async () => {
    first.process.kill('SIGTERM');
    await first.ended;
  });
});

test('a port that is taken is a clear error, and exit code 1', async () => {
  const holder = http.createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };

  const { code, stderr } = await runProgram([
    'collector',
    `--port=${port}`,
    '--console-listen=off',
    '--host=127.0.0.1',
    '--database=stdout',
  ]);

  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^spartakus collector: --port ${port} cannot be opened: .*EADDRINUSE`));
  holder.close();
});

test('a database that cannot be reached is a clear error without the password, and exit code 1', async () => {
  const { code, stderr } = await runProgram([
    'collector',
    '--port=0',
    '--console-listen=off',
    '--database=mongodb://admin:hunter2@127.0.0.1:1/x',
  ]);

  expect(code).toBe(1);
  expect(stderr).toMatch(/^spartakus collector: --database mongodb:\/\/admin:\*\*\*@127\.0\.0\.1:1\/x: /);
  expect(stderr).not.toContain('hunter2');
});

test('npm start prints commands that work: curl, gRPC, volunteer, and the metrics', async () => {
  const collector = startProgram([
    'collector',
    '--port=0',
    '--console-listen=127.0.0.1:0',
    '--host=127.0.0.1',
    '--database=stdout',
    '--examples',
  ]);
  await collector.says(/curl -i[^]*node_modules\/.bin\/buf curl[^]*volunteer --cluster-id auto/);
  const [, metrics = ''] = await collector.says(/^curl (http:\S+\/metrics)$/m);
  await expect(fetch(metrics)).resolves.toMatchObject({ status: 200 });

  collector.process.kill('SIGTERM');
  await expect(collector.ended).resolves.toMatchObject({ code: 0 });
});
