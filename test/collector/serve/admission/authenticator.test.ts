import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import { Code, createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Health } from '../../../../gen/grpc/health/v1/health_pb.js';
import { ServerReflection } from '../../../../gen/grpc/reflection/v1/reflection_pb.js';
import { type Authenticator, openTokenAuthenticator } from '../../../../src/collector/serve/admission/authenticator.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';
import { createKeptLog, type KeptLog } from '../../../support/log.ts';
import { createManualClock } from '../../../support/manual-clock.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';
import { legacyJson, PROTOCOL_CLIENTS } from '../../../support/protocols.ts';
import { makeReport } from '../../../support/reports.ts';

const TOKENS = '# of team a\nfirst-token\n\n  second+token/1~==  \r\n#third-token\n';

/** Whether an authenticator accepts a header. */
function accepts(authenticate: Authenticator, authorization?: string): boolean {
  try {
    authenticate({ authorization });
    return true;
  } catch (error) {
    if (SpartakusError.from(error).kind === 'unauthenticated') return false;
    throw error;
  }
}

/** Opens an authenticator with a file that the test may change. */
async function withAuthenticator(
  use: (parts: { authenticate: Authenticator; file: string; log: KeptLog; look: () => Promise<void> }) => Promise<void>,
): Promise<void> {
  await withFiles({ tokens: TOKENS }, async (dir) => {
    const clock = createManualClock(new Date(0));
    const log = createKeptLog();
    const stop = new AbortController();
    const authenticate = await openTokenAuthenticator(
      { flag: '--tokens', file: `${dir}/tokens` },
      { clock, logger: log.logger, stop: stop.signal },
    );
    await clock.asleep();
    const look = async (): Promise<void> => {
      for (let time = 0; time < 2; time += 1) {
        clock.advance(5_000);
        await clock.asleep();
      }
    };
    await use({ authenticate, file: `${dir}/tokens`, log, look });
    stop.abort();
  });
}

describe('the token authenticator', () => {
  test('accepts each token of the file, and nothing else', async () => {
    await withAuthenticator(({ authenticate }) => {
      for (const token of [
        'Bearer first-token',
        'bearer first-token',
        'Bearer  first-token ',
        'Bearer second+token/1~==',
      ])
        expect(accepts(authenticate, token)).toBe(true);
      for (const other of [
        undefined,
        '',
        'Bearer',
        'Bearer ',
        'first-token',
        'Basic first-token',
        'Bearer first-toke',
        'Bearer first-token2',
        'Bearer #third-token',
        'Bearer third-token',
        'Bearer first-token second+token/1~==',
        'Bearer #',
        'Bearer FIRST-TOKEN',
      ]) {
        expect(accepts(authenticate, other)).toBe(false);
      }
      return Promise.resolve();
    });
  });

  test('reloads the file: it accepts a new token, and an old one no longer', async () => {
    await withAuthenticator(async ({ authenticate, file, log, look }) => {
      await writeFile(file, 'new-token\n');
      await look();

      expect([accepts(authenticate, 'Bearer new-token'), accepts(authenticate, 'Bearer first-token')]).toStrictEqual([
        true,
        false,
      ]);
      expect(log.messages()).toStrictEqual([`reloaded --tokens ${file}`]);
    });
  });

  test.each([
    ['is empty', (file: string) => writeFile(file, '# none\n'), 'contains no token'],
    [
      'holds no tokens',
      (file: string) => writeFile(file, 'good-token\nbad token\n'),
      'line 2 is not a token of printable characters without spaces',
    ],
    ['is gone', (file: string) => rm(file), 'cannot be read'],
  ])('keeps its tokens where the file %s, and logs it without quoting the file', async (_, spoil, problem) => {
    await withAuthenticator(async ({ authenticate, file, log, look }) => {
      await spoil(file);
      await look();
      await look();

      expect(accepts(authenticate, 'Bearer first-token')).toBe(true);
      expect(log.messages('error')).toStrictEqual([expect.stringContaining(`--tokens ${file}: ${problem}`)]);
      expect(JSON.stringify(log.lines)).not.toMatch(/good-token|bad token/);
    });
  });

  test.each([
    ['', 'contains no token.'],
    ['#\n\n', 'contains no token.'],
    ['a\nto ken\n', 'line 2 is not a token of printable characters without spaces.'],
    ['tökén', 'line 1 is not a token of printable characters without spaces.'],
  ])('does not open on a file with %j', async (content, problem) => {
    await withFiles({ tokens: content }, async (dir) => {
      const stop = AbortSignal.abort();
      const opened = openTokenAuthenticator(
        { flag: '--tokens', file: `${dir}/tokens` },
        { clock: createManualClock(new Date(0)), logger: createKeptLog().logger, stop },
      );

      const { kind, message } = await failureOf(opened);

      expect({ kind, message }).toStrictEqual({ kind: 'invalid', message: `--tokens ${dir}/tokens: ${problem}` });
    });
  });
});

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
