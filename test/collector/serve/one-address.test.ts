import { expect, test } from 'vitest';
import { type FlagValues, parseFlags } from '../../../src/cli/flags.ts';
import { LIMIT_FLAGS } from '../../../src/cli/limit-flags.ts';
import { startCollectorOn } from '../../support/collector.ts';
import { createMemoryStore } from '../../support/memory-store.ts';

const DEFAULTS = parseFlags(LIMIT_FLAGS, [], {}).values as FlagValues<typeof LIMIT_FLAGS>;
const CLUSTERS = 300;

test('by default, 300 clusters behind one address are counted, before and after a restart, and an attacker beside them is not', async () => {
  const store = createMemoryStore();
  const start = () =>
    startCollectorOn(
      'stdout',
      { limits: DEFAULTS, console: { listen: { host: '127.0.0.1', port: 0 } } },
      { openStore: () => Promise.resolve(store) },
    );
  const send = async (url: string, prefix: string, count: number, headers = {}): Promise<void> => {
    for (let index = 0; index < count; index += 1) {
      const response = await fetch(`${url}/api/v1`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ clusterID: `${prefix}-${index}` }),
      });
      expect(response.status).toBe(204);
    }
  };
  const quarantined = (): number => [...store.documents.values()].filter((document) => document.quarantined).length;

  const first = await start();
  // Each cluster connects for itself.
  await send(first.url, 'fleet', CLUSTERS, { connection: 'close' });
  await first.close();
  expect(quarantined()).toBe(0);
  const { complaints } = first;
  expect(complaints.filter((message) => /--trusted-proxies/.test(message))).toHaveLength(1);

  const second = await start();
  try {
    await send(second.url, 'fleet', CLUSTERS);
    expect(quarantined()).toBe(0);
    await send(second.url, 'forged', DEFAULTS.newClustersPerHourPerAddress + 1);
    expect(quarantined()).toBe(1);
    expect(second.complaints.filter((message) => /spartakus quarantine list/.test(message))).toHaveLength(1);
    const metrics = await (await fetch(`${second.consoleUrl}/metrics`)).text();
    expect(metrics).toContain('spartakus_collector_quarantined_reports_total{dialect="spartakus"} 1\n');
    expect(metrics).toContain(`spartakus_collector_cluster_lookups_total{result="known"} ${CLUSTERS}\n`);
    expect(metrics).toContain('spartakus_collector_busiest_address_ratio 1\n');
    expect(`${metrics}${JSON.stringify([...store.documents.values()])}`).not.toContain('127.0.0.1');
  } finally {
    await second.close();
  }
});
