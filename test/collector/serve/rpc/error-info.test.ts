import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { describe, expect, test } from 'vitest';
import { ErrorInfoSchema, RetryInfoSchema } from '../../../../gen/google/rpc/error_details_pb.js';
import { CollectorService } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import type { Limits } from '../../../../src/collector/serve/admission/limits.ts';
import { type LocalCollector, startCollectorOn } from '../../../support/collector.ts';
import { withFiles } from '../../../support/files.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';
import { makeReport } from '../../../support/reports.ts';

const startCollector = (limits: Partial<Limits> = {}, ingestTokensFile?: string): Promise<LocalCollector> =>
  startCollectorOn('memory', { limits, ingestTokensFile }, { openStore: () => Promise.resolve(createMemoryStore()) });

const TRANSPORTS: readonly (readonly [string, (baseUrl: string) => Transport])[] = [
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl })],
  ['gRPC with JSON', (baseUrl) => createGrpcTransport({ baseUrl, useBinaryFormat: false })],
  ['gRPC-Web', (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
  ['Connect', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' })],
  ['Connect with JSON', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: false })],
];

const reasonsOf = (error: ConnectError) =>
  error.findDetails(ErrorInfoSchema).map(({ reason, domain }) => `${domain} ${reason}`);

describe.each(TRANSPORTS)('over %s, every error has an ErrorInfo', (_name, open) => {
  /** The first error of a client that sends the same report again and again. */
  const firstError = async (limits: Partial<Limits>, report = makeReport(), tokens?: string) => {
    const limited = await startCollector(limits, tokens);
    try {
      const client = createClient(CollectorService, open(limited.url));
      for (let sent = 0; sent < 20; sent += 1) {
        const error = await client.submitReport({ report }).then(
          () => undefined,
          (thrown: unknown) => ConnectError.from(thrown),
        );
        if (error !== undefined)
          return { reasons: reasonsOf(error), retryInfos: error.findDetails(RetryInfoSchema).length };
      }
      throw new Error('no call failed');
    } finally {
      await limited.close();
    }
  };
  const large = Object.assign(makeReport(), { timestamp: 'x'.repeat(200_000) });

  test.each<[string, Partial<Limits>, number]>([
    ['RATE_LIMITED', { requestsPerSecondPerAddress: 1 }, 1],
    ['RATE_LIMITED', { reportsPerHourPerCluster: 1 }, 1],
  ])('%s for %o, with RetryInfo', async (reason, limits, retryInfos) => {
    await expect(firstError(limits)).resolves.toStrictEqual({ reasons: [`spartakus ${reason}`], retryInfos });
  });

  test('OVERLOADED, with RetryInfo; MESSAGE_TOO_LARGE without, for it is final', async () => {
    await expect(firstError({ maxBodyBytes: 10 })).resolves.toStrictEqual({
      reasons: ['spartakus OVERLOADED'],
      retryInfos: 1,
    });
    await expect(firstError({}, large)).resolves.toStrictEqual({
      reasons: ['spartakus MESSAGE_TOO_LARGE'],
      retryInfos: 0,
    });
  });

  test('UNAUTHENTICATED', async () => {
    await withFiles({ tokens: 'the-token\n' }, async (dir) => {
      await expect(firstError({}, makeReport(), `${dir}/tokens`)).resolves.toStrictEqual({
        reasons: ['spartakus UNAUTHENTICATED'],
        retryInfos: 0,
      });
    });
  });
});
