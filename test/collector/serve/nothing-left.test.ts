import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startCollectorOn } from '../../support/collector.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createMemoryStore } from '../../support/memory-store.ts';
import { PROTOCOL_CLIENTS, sendLegacy } from '../../support/protocols.ts';
import { makeReport } from '../../support/reports.ts';

expectNothingLeftOpen();

const TOKEN = 'a-token-of-this-test';
/** Longer than the test waits for what is left: a timer that is not cleared does not end by itself. */
const LONG_MS = 600_000;

async function withCollector(
  use: (collector: Awaited<ReturnType<typeof startCollectorOn>>, token: string) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
  const tokenFile = path.join(directory, 'tokens');
  await writeFile(tokenFile, `${TOKEN}\n`);
  const collector = await startCollectorOn(
    'memory',
    {
      shutdownGraceMs: LONG_MS,
      ingestTokensFile: tokenFile,
      console: { listen: { host: '127.0.0.1', port: 0 }, tokenFile },
      limits: { bodyTimeoutMs: LONG_MS, headerTimeoutMs: LONG_MS, writeTimeoutMs: LONG_MS, idleTimeoutMs: LONG_MS },
    },
    { openStore: () => Promise.resolve(createMemoryStore()) },
  );
  try {
    await use(collector, TOKEN);
  } finally {
    await collector.close();
    await rm(directory, { recursive: true });
  }
}

test('a collector that is closed leaves nothing open', async () => {
  await withCollector(async ({ url }) => {
    await expect(fetch(`${url}/version`)).resolves.toMatchObject({ status: 200 });
  });
});

test('nor does one that clients of every protocol have used', async () => {
  await withCollector(async ({ url }, token) => {
    for (const { open } of PROTOCOL_CLIENTS) {
      const client = open(url, { token });
      await expect(client.send(makeReport())).resolves.toMatchObject({ outcome: 'stored' });
      client.close();
    }
    await expect(sendLegacy(url, makeReport())).resolves.toMatchObject({ status: 401 });
  });
});

test('nor one whose clients have said nothing, or half of a request, when it closes', async () => {
  const clients: net.Socket[] = [];
  await withCollector(async ({ port }) => {
    for (const sent of ['', 'GET /ver', 'PRI * HTTP/2.0\r\n', 'POST /api/v1 HTTP/1.1\r\nHost: x\r\n']) {
      const client = net.connect(port, '127.0.0.1');
      client.on('error', () => undefined);
      await once(client, 'connect');
      client.resume().write(sent);
      clients.push(client);
    }
  });

  await expect.poll(() => clients.every(({ destroyed }) => destroyed)).toBe(true);
});
