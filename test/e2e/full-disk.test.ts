import path from 'node:path';
import { Code } from '@connectrpc/connect';
import { afterAll, expect, test } from 'vitest';
import { launchCollector } from '../support/collector-program.ts';
import { startCollectorOn } from '../support/collector.ts';
import { PROTOCOL_CLIENTS, sendLegacy } from '../support/protocols.ts';
import { makeReport } from '../support/reports.ts';
import { mountSmallDisk } from '../support/small-disk.ts';

const MIB = 1024 * 1024;
const FULL = 'the disk of the database is full. Retry later.';

const disk = mountSmallDisk(192 * MIB);
afterAll(() => disk?.unmount());
const WHERE = disk === undefined ? ' (skipped: this user may not mount a file system)' : '';

test.skipIf(disk === undefined)(
  `below the reserve reports are rejected over every protocol, and stored when there is space again${WHERE}`,
  async () => {
    if (disk === undefined) return;
    const database = `embedded:${path.join(disk.directory, 'database')}`;
    const collector = await startCollectorOn(database, {
      diskReserveBytes: 40 * MIB,
      console: { listen: { host: '127.0.0.1', port: 0 } },
    });
    const readyz = async (): Promise<string> => {
      const response = await fetch(`${collector.url}/readyz`);
      return `${response.status} ${await response.text()}`;
    };
    const diskMetrics = async (): Promise<Record<string, string>> => {
      const metrics = await (await fetch(`${collector.consoleUrl}/metrics`)).text();
      const found = metrics.matchAll(/^spartakus_collector_disk_(reserve_bytes|full) (\d+)$/gm);
      return Object.fromEntries([...found].map(([, name = '', value = '']) => [name, value]));
    };
    const clients = PROTOCOL_CLIENTS.map(({ open }) => open(collector.url));
    const sendAll = () => Promise.all(clients.map((client) => client.send(makeReport())));
    expect((await sendAll()).map(({ outcome }) => outcome)).not.toContain('rejected');
    await expect(diskMetrics()).resolves.toStrictEqual({ reserve_bytes: String(40 * MIB), full: '0' });

    await disk.fill(39 * MIB);
    await expect.poll(readyz, { timeout: 10_000 }).toBe(`503 Error: ${FULL}\n`);
    for (const reply of await sendAll()) {
      expect(reply).toStrictEqual({ outcome: 'rejected', code: Code.Unavailable, message: FULL, retryAfterMs: 5_000 });
    }
    const response = await sendLegacy(collector.url, makeReport());
    expect([response.status, response.headers.get('retry-after')]).toStrictEqual([503, '5']);
    await expect(diskMetrics()).resolves.toMatchObject({ full: '1' });

    await disk.free();
    await expect.poll(readyz, { timeout: 10_000 }).toBe('200 ');
    expect((await sendAll()).map(({ outcome }) => outcome)).not.toContain('rejected');
    expect(collector.complaints.filter((message) => message.includes('database'))).toStrictEqual([
      'the database is unavailable: reports are rejected until it is back',
    ]);

    for (const client of clients) client.close();
    await collector.close();
  },
);

test.skipIf(disk === undefined)(`a start on a full disk is one line of an error, and exit code 1${WHERE}`, async () => {
  if (disk === undefined) return;
  await disk.fill(0);

  const { code, stdout, stderr } = await launchCollector([`--database=embedded:${path.join(disk.directory, 'other')}`])
    .ended;

  expect({ code, stdout }).toStrictEqual({ code: 1, stdout: '' });
  expect(stderr).toMatch(
    /^spartakus collector: --database embedded:\S+: [^\n]*(?:disk is full|ENOSPC: no space left on device)[^\n]*\n$/,
  );
  await disk.free();
});
