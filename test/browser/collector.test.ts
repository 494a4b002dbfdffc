import { randomBytes } from 'node:crypto';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rebuildStatistics } from '../../src/collector/statistics/statistics.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { startCollectorOn } from '../support/collector.ts';
import { makeTestDatabase, type TestDatabase } from '../support/database.ts';
import { PROTOCOL_CLIENTS } from '../support/protocols.ts';
import { makeReport } from '../support/reports.ts';
import { findBrowser, openBrowser } from './support/browser.ts';
import { openPage, settle } from './support/watched-page.ts';

const search = findBrowser();
const VERSIONS = { 'v1.37.0': 21, 'v1.36.2': 14, 'v1.20.1': 3 };

describe.skipIf('missing' in search)('the dashboard of a collector with a database', () => {
  let browser: Browser;
  let database: TestDatabase;
  let collector: Awaited<ReturnType<typeof startCollectorOn>>;

  beforeAll(async () => {
    if ('missing' in search) return;
    browser = await openBrowser(search.executable);
    database = await makeTestDatabase();
    collector = await startCollectorOn(database.spec, { console: { listen: { host: '127.0.0.1', port: 0 } } });
    const [protocol] = PROTOCOL_CLIENTS;
    const client = protocol!.open(collector.url);
    for (const [masterVersion, clusters] of Object.entries(VERSIONS))
      for (let index = 0; index < clusters; index += 1)
        await client.send({ ...makeReport(), clusterId: `${masterVersion}-${index}`, masterVersion });
    client.close();
    const newId = (): string => randomBytes(16).toString('hex');
    await rebuildStatistics(await database.db(), { clock: systemClock, newId });
  }, 300_000);

  afterAll(async () => {
    await browser.close();
    await database.remove(() => collector.close());
  });

  test('shows the numbers of the reports that it has stored', async () => {
    const opened = await openPage(browser, `${collector.consoleUrl}/`);
    const { page, problems } = opened;
    await page.locator('.tile').first().waitFor();
    await settle(page);

    const text = (await page.locator('body').innerText()).replaceAll(/\s+/g, ' ');
    expect(text).toContain('Active clusters 38');
    expect(text).toContain('38 of 38 clusters report this');
    // The three clusters of an old version are hidden with those of 1.36.
    expect(text).toMatch(/55.% of clusters run 1\.37 or newer/);
    expect(text).not.toContain('1.20');
    expect(problems).toStrictEqual([]);
    await opened.close();
  });
});
