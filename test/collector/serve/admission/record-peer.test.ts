import { expect, test } from 'vitest';
import { startCollectorOn } from '../../../support/collector.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';

test.each([
  ['none', /^undefined$/],
  ['address', /^127\.0\.0\.1:\d+$/],
  ['hash', /^[0-9a-f]{16}$/],
] as const)('--record-peer=%s, in what is stored', async (recordPeer, expected) => {
  const store = createMemoryStore();
  const collector = await startCollectorOn('memory', { recordPeer }, { openStore: () => Promise.resolve(store) });
  try {
    for (const [path, body] of [
      ['/api/v1', '{}'],
      ['/spartakus.collector.v1.CollectorService/SubmitReport', '{"report": {"clusterID": "c"}}'],
    ] as const) {
      const response = await fetch(collector.url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(response.ok).toBe(true);
    }
    const stored = [...store.documents.values()].map(({ receivedFrom }) => String(receivedFrom));

    expect(stored).toHaveLength(2);
    expect(stored.filter((name) => !expected.test(name))).toStrictEqual([]);
  } finally {
    await collector.close();
  }
});
