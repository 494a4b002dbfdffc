import { ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import { openGrpcSink } from '../../../src/delivery/transport/grpc.ts';
import type { ReportSink } from '../../../src/report/report-sink.ts';
import { type GrpcCollector, startGrpcCollector } from '../../support/grpc-collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { readFixture } from '../../support/kube-api.ts';
import { failOne, putOne } from '../../support/put-one.ts';

expectNothingLeftOpen();

const closers: (() => void | Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startTls(certificate: string): Promise<GrpcCollector> {
  const pair = {
    cert_chain: await readFixture(`tls/${certificate}.crt`),
    private_key: await readFixture(`tls/${certificate}.key`),
  };
  const collector = await startGrpcCollector(ServerCredentials.createSsl(null, [pair]));
  closers.push(() => collector.close());
  return collector;
}

async function trust(collector: GrpcCollector, host: string, ca: string): Promise<ReportSink> {
  const sink = openGrpcSink(`grpcs://${host}:${collector.port}`, {
    credentials: { ...NO_CREDENTIALS, ca: await readFixture(`tls/${ca}.crt`) },
  });
  closers.push(() => sink.close());
  return sink;
}

test.each(['localhost', '127.0.0.1'])(
  'grpcs://%s accepts a certificate of a trusted CA, and no other',
  async (host) => {
    const collector = await startTls('server');

    await expect(putOne(await trust(collector, host, 'ca'))).resolves.toMatchObject({ status: 'stored' });
    await expect(failOne(await trust(collector, host, 'other-ca'))).resolves.toMatchObject({ kind: 'unavailable' });
    expect(collector.stored.size).toBe(1);
  },
);

test.each(['localhost', '127.0.0.1'])('grpcs://%s rejects a certificate for another name', async (host) => {
  const collector = await startTls('elsewhere');

  const error = await failOne(await trust(collector, host, 'ca'));

  expect(error.message).toContain(`not for ${host}: `);
  expect(collector.stored.size).toBe(0);
});
