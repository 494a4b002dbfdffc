import { afterAll, beforeAll, expect, test } from 'vitest';
import { createNetworks } from '../../../src/runtime/addresses.ts';
import { startTestCollector, type TestCollector } from '../../support/collector.ts';

let collector: TestCollector;

beforeAll(async () => {
  collector = await startTestCollector({
    limits: { newClustersPerHourPerAddress: 2 },
    trustedProxies: createNetworks(['127.0.0.1']),
  });
});

afterAll(() => collector.close());

const SUBMIT = '/spartakus.collector.v1.CollectorService/SubmitReport';

test('of many new clusters from one address, over all protocols, the first are counted and the others quarantined', async () => {
  const send = async (clusterID: string, path: string, forwardedFor?: string): Promise<unknown> => {
    const response = await fetch(collector.url + path, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }),
      },
      body: JSON.stringify(path === SUBMIT ? { report: { clusterID } } : { clusterID }),
    });
    expect(response.ok).toBe(true);
    return (await collector.reports.findOne({ clusterID }))?.quarantined;
  };

  await expect(send('a', '/api/v1', '192.0.2.1')).resolves.toBeUndefined();
  await expect(send('b', SUBMIT, '192.0.2.1')).resolves.toBeUndefined();
  await expect(send('c', '/api/v1', '192.0.2.1')).resolves.toBe(true);
  await expect(send('d', SUBMIT, '192.0.2.1')).resolves.toBe(true);
  await expect(send('e', '/api/v1', '192.0.2.2')).resolves.toBeUndefined();
  // A proxy that does not say for whom: many may stand behind it.
  for (const clusterID of ['f', 'g', 'h']) await expect(send(clusterID, SUBMIT)).resolves.toBeUndefined();
});
