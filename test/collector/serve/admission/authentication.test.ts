import { once } from 'node:events';
import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Health } from '../../../../gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '../../../../gen/grpc/reflection/v1/reflection_pb.js';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { withFiles } from '../../../support/files.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';
import { legacyJson, PROTOCOL_CLIENTS } from '../../../support/protocols.ts';
import { makeReport } from '../../../support/reports.ts';

describe('a collector with --ingest-tokens-file', () => {
  let collector: LocalCollector;
  let closeFiles: () => void;

  beforeAll(async () => {
    await new Promise<void>((started, failed) => {
      void withFiles({ tokens: 'the-token\n' }, async (dir) => {
        collector = await startCollectorOn(
          'memory',
          { ingestTokensFile: `${dir}/tokens` },
          { openStore: () => Promise.resolve(createMemoryStore()) },
        );
        started();
        await new Promise<void>((resolve) => (closeFiles = resolve));
      }).catch(failed);
    });
  });

  afterAll(async () => {
    await collector.close();
    closeFiles();
  });

  test.each(PROTOCOL_CLIENTS)(
    'over $name a report with the token is stored, and without it or with another it is rejected',
    async ({ open }) => {
      const [known, unknown, nobody] = [
        open(collector.url, { token: 'the-token' }),
        open(collector.url, { token: 'another' }),
        open(collector.url),
      ];
      const report = makeReport();

      const refusals = [await unknown.send(report), await nobody.send(report)];
      const stored = await known.send(report);

      expect(refusals).toMatchObject([
        { outcome: 'rejected', code: Code.Unauthenticated, message: expect.stringContaining('unknown') as string },
        {
          outcome: 'rejected',
          code: Code.Unauthenticated,
          message: expect.stringContaining('Authorization') as string,
        },
      ]);
      expect(stored).toMatchObject({ outcome: 'stored' });
      for (const client of [known, unknown, nobody]) client.close();
    },
  );

  test.each(['/api/v1', '/api/coreos/v1', '/api/kubermatic/v1'])(
    'POST %s without the token is 401 with a challenge',
    async (path) => {
      const response = await fetch(collector.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });

      expect(response.status).toBe(401);
      expect(response.headers.get('www-authenticate')).toBe('Bearer');
    },
  );

  test('POST /api/v1 with the token is stored', async () => {
    const headers = { 'content-type': 'application/json', authorization: 'Bearer the-token' };

    await expect(
      fetch(`${collector.url}/api/v1`, { method: 'POST', headers, body: legacyJson(makeReport()) }),
    ).resolves.toMatchObject({ status: 204 });
  });

  test.each(['/spartakus.collector.v1.CollectorService/SubmitReport', '/api/v1'])(
    '%s is rejected before the body is sent, over both versions of HTTP',
    async (path) => {
      const headers = { 'content-type': 'application/json', 'content-length': 10 };
      const request = http.request(collector.url + path, { method: 'POST', headers });
      request.flushHeaders();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      const session = http2.connect(collector.url);
      const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
      const [answer] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader];

      expect([response.statusCode, response.headers['www-authenticate']]).toStrictEqual([401, 'Bearer']);
      expect([answer[':status'], answer['www-authenticate']]).toStrictEqual([401, 'Bearer']);
      request.on('error', () => undefined).destroy();
      session.destroy();
    },
  );

  test.each(['/', '/healthz', '/readyz', '/version'])('GET %s needs no token', async (path) => {
    await expect(fetch(collector.url + path)).resolves.toMatchObject({ status: 200 });
  });

  test('gRPC health and reflection need no token', async () => {
    const transport = createGrpcTransport({ baseUrl: collector.url });

    await expect(createClient(Health, transport).check({})).resolves.toMatchObject({ status: 1 });
    const asked = (async function* () {
      yield await Promise.resolve({ messageRequest: { case: 'listServices', value: '' } as const });
    })();
    for await (const { messageResponse } of createClient(ServerReflection, transport).serverReflectionInfo(asked)) {
      expect(messageResponse.case).toBe('listServicesResponse');
    }
    expect.assertions(2);
  });
});
