import { readFile } from 'node:fs/promises';
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AnswerKind } from '../../gen/spartakus/statistics/v1/statistics_service_pb.js';
import type { QuestionSpec } from '../../src/collector/statistics/questions.ts';
import { findBrowser, openBrowser } from './support/browser.ts';
import {
  fewClusters,
  type FixtureServer,
  LAST_DAY,
  type Scenario,
  startFixtureServer,
  TOKEN,
} from './support/fixture-statistics.ts';
import { dayOf } from './support/simulated-clusters.ts';
import { openPage, settle, VIEWPORT, type WatchedPage } from './support/watched-page.ts';

const search = findBrowser();
const LATER = { description: '', hasDetail: false, ordered: false };
const LATER_QUESTIONS: readonly QuestionSpec[] = [
  { ...LATER, id: 'later.word', title: 'A later word?', kind: AnswerKind.VALUES },
  { ...LATER, id: 'later.version', title: 'A later version?', kind: AnswerKind.VALUES, ordered: true },
  { ...LATER, id: 'later.size', title: 'A later size?', kind: AnswerKind.SIZES },
  { ...LATER, id: 'later.amounts', title: 'Later amounts?', kind: AnswerKind.AMOUNTS },
];

describe.skipIf('missing' in search)(
  `the dashboard in Chromium${'missing' in search ? ` (${search.missing})` : ''}`,
  () => {
    let browser: Browser;
    let server: FixtureServer;
    let opened: WatchedPage | undefined;
    /** Of the tests without options: a page of its own takes a process of the browser. */
    let sharedPage: WatchedPage | undefined;
    /** The default, for a test that changes more of its page than the next address undoes. */
    const OWN_PAGE = { viewport: VIEWPORT };
    /** The problems that a test causes. The browser may report them later than the page shows them. */
    let expected: RegExp | undefined;

    beforeAll(async () => {
      if ('missing' in search) return;
      [browser, server] = await Promise.all([
        openBrowser(search.executable),
        startFixtureServer('small', LATER_QUESTIONS),
      ]);
    }, 300_000);

    afterAll(async () => {
      await browser.close();
      await server.close();
    });

    beforeEach(() => {
      server.scenario = 'small';
      expected = undefined;
    });

    afterEach(async () => {
      const problems = (opened?.problems ?? []).filter((problem) => expected?.test(problem) !== true);
      if (opened !== sharedPage) await opened?.close();
      opened = undefined;
      if (problems.length > 0) throw new Error(problems.join('\n'));
    });

    async function open(
      query = '',
      options: Parameters<typeof openPage>[2] = {},
      scenario: Scenario = 'small',
    ): Promise<Page> {
      server.scenario = scenario;
      const url = `${server.url}/${query}`;
      if (Object.keys(options).length > 0) opened = await openPage(browser, url, options);
      else if (sharedPage === undefined) opened = sharedPage = await openPage(browser, url);
      else {
        opened = sharedPage;
        await sharedPage.load(url);
      }
      return opened.page;
    }

    function calls(): number {
      return server.requests.filter((request) => request.startsWith('POST ')).length;
    }

    test('the browser rejects requests to other servers, and these tests would notice one', async () => {
      expected = /^(?:CSP connect-src: |console .*)https:\/\/other\.example\//;
      const page = await open('', {}, 'empty');
      const failure = await page.evaluate(() =>
        fetch('https://other.example/').catch((error: unknown) => String(error)),
      );

      expect(failure).toContain('TypeError');
      await expect.poll(() => opened?.problems).toContain('CSP connect-src: https://other.example/');
    });

    test('shows the numbers of the clusters that exist', async () => {
      const page = await open();
      const last = dayOf(LAST_DAY);
      const active = fewClusters().filter(({ first, end }) => first <= last && last < end + 30);
      const count = (value: string): number => active.filter(({ runtime }) => runtime.startsWith(value)).length;

      expect(await textsOf(page, '.tile:first-child .big')).toStrictEqual([String(active.length)]);
      expect(await page.locator('.lead').textContent()).toContain(`${active.length} clusters`);
      await card(page, 'nodes.containerRuntimeVersion').getByRole('button', { name: 'Table' }).click();
      const rows = await textsOf(page, '[id="question-nodes.containerRuntimeVersion"] tbody tr');
      expect(rows.find((row) => row.startsWith('containerd'))).toMatch(
        new RegExp(`^containerd${count('containerd')}\\d`),
      );
      expect(await notesOf(page, 'nodes.containerRuntimeVersion')).toContain(
        `${active.length} of ${active.length} clusters report this (100\u202f%)`,
      );
    });

    test('each section tells its denominator, what is hidden, how it is rounded, and its day', async () => {
      const page = await open('?count=nodes', {}, 'one-day');

      expect(await page.locator('.meta').textContent()).toMatch(
        /^Figures of 21 November 2026, computed .* ago\. Figures are rounded to multiples of 5; values of fewer than 10 clusters are hidden\.$/,
      );
      expect(await notesOf(page, 'masterVersion')).toMatch(
        /^2,075 of 2,075 clusters report this \(100.%\).*hidden: values of fewer than 10 clusters each.*rounded to multiples of 5.*figures of 21 November 2026$/,
      );
      expect(await notesOf(page, 'nodes.operatingSystem')).toMatch(/counted in nodes.*rounded/);
      expect(await notesOf(page, 'nodes.operatingSystem')).not.toContain('hidden');
      for (const notes of await textsOf(page, '.notes')) expect(notes).toMatch(/\d of [\d,]+ clusters report this/);
    });

    test('a chart over time ends with the figures of the chart of now', async () => {
      const page = await open('?range=30d&time=nodes.osImage', { reducedMotion: 'no-preference' }, 'full');
      for (const id of ['masterVersion', 'nodes.osImage']) {
        const ends = await textsOf(page, `[id="question-${id}"] text.label`);
        await page.locator(`input[name="view-${id}"][value="now"]`).check();
        await settle(page);
        const names = await textsOf(page, `[id="question-${id}"] text.name`);
        const values = await textsOf(page, `[id="question-${id}"] text.value`);
        const now = values.map((value, index) => `${value} ${names[index]}`);
        // Long names are cut.
        const shared = ends.filter((end) => !end.endsWith('…'));
        expect(shared.length).toBeGreaterThan(3);
        expect(now).toStrictEqual(expect.arrayContaining(shared));
      }
    });

    test('a link leads to a section, and to a chart, without loading', async () => {
      const page = await open('#question-nodes.architecture');
      const top = (selector: string): Promise<number> =>
        page.locator(selector).evaluate((element) => element.getBoundingClientRect().top);
      expect(await top('[id="question-nodes.architecture"]')).toBeLessThan(200);
      const before = calls();
      await page.getByRole('navigation').getByRole('link', { name: 'Versions of Kubernetes' }).click();
      await expect.poll(() => top('#versions')).toBeLessThan(200);
      expect(calls()).toBe(before);
    });

    test('a page that stays open loads new figures', async () => {
      const page = await open('', OWN_PAGE, 'one-cluster');
      await page.clock.install();
      await page.reload();
      await settle(page);
      const before = calls();
      await page.clock.runFor('11:00');
      await expect.poll(calls).toBeGreaterThan(before);
    });

    test('a question that the page does not know appears by the form of its answer', async () => {
      const page = await open();

      const titles = await textsOf(page, '#more h3');
      expect(titles).toStrictEqual(expect.arrayContaining(LATER_QUESTIONS.map(({ title }) => title)));
      expect(await page.locator('#more .chart svg').count()).toBe(titles.length);
    });

    test('the switches live in the address, and the back button undoes them', async () => {
      const page = await open();
      const choose = async (name: string, value: string): Promise<void> => {
        await page.locator(`input[name="${name}"][value="${value}"]`).check();
        await settle(page);
      };
      await choose('range', '30d');
      await choose('count', 'nodes');
      await choose('show', 'number');
      await choose('detail', 'full');
      await choose('view-nodes.architecture', 'time');
      await choose('view-support', 'now');
      const shared = page.url();
      expect(new URL(shared).search).toBe(
        '?range=30d&count=nodes&show=number&detail=full&time=nodes.architecture&now=support',
      );
      expect(
        await page
          .locator('input[name="view-support"][value="now"]')
          .evaluate((input) => input === document.activeElement),
      ).toBe(true);

      const before = await page.locator('main').innerText();
      await page.reload();
      await settle(page);
      expect(await page.locator('main').innerText()).toBe(before);

      await page.goBack();
      await expect.poll(() => page.url()).not.toBe(shared);
      await settle(page);
      expect(await page.locator('input[name="view-support"][value="time"]').isChecked()).toBe(true);
    });

    test('every control of every card works', async () => {
      const page = await open('?now=masterVersion,support', {}, 'one-day');
      const cards = page.locator('.card');
      const count = await cards.count();
      expect(count).toBeGreaterThan(15);
      for (let index = 0; index < count; index += 1) {
        const tools = cards.nth(index).locator('.tools button');
        await tools.nth(0).click();
        expect(await cards.nth(index).locator('tbody tr').count()).toBeGreaterThan(0);
        await tools.nth(0).click();
        expect(await cards.nth(index).locator('table').count()).toBe(0);
      }
      const distributions = card(page, 'nodes.osImage');
      const heightOf = (): Promise<number> => distributions.locator('svg').evaluate((svg) => svg.clientHeight);
      const short = await heightOf();
      await distributions.getByRole('button', { name: /Show all/ }).click();
      expect(await heightOf()).toBeGreaterThan(short);
      await distributions.getByRole('searchbox').fill('linux');
      expect(await distributions.locator('.search-count').textContent()).toMatch(/^\d+ of \d+$/);
      expect(await textsOf(page, '[id="question-nodes.osImage"] text.name')).toSatisfy((names: string[]) =>
        names.every((name) => /linux/i.test(name)),
      );
      await distributions.getByRole('searchbox').fill('no such value');
      expect(await distributions.locator('svg').textContent()).toBe('No value contains “no such value”.');
    });

    test('a chart is saved as CSV and as PNG', async () => {
      const page = await open();
      const save = async (name: string): Promise<{ readonly name: string; readonly bytes: Buffer }> => {
        const download = page.waitForEvent('download');
        await card(page, 'masterVersion').getByRole('button', { name }).click();
        const file = await download;
        return { name: file.suggestedFilename(), bytes: await readFile(await file.path()) };
      };

      const csv = await save('CSV');
      expect(csv.name).toBe(`spartakus-masterVersion-${LAST_DAY}.csv`);
      expect(csv.bytes.toString()).toMatch(/^\uFEFFDay,1\.\d+ \(share\),.*\r\n2026-11-21,0\.\d+,/);
      const png = await save('PNG');
      expect(png.name).toBe(`spartakus-masterVersion-${LAST_DAY}.png`);
      expect([...png.bytes.subarray(0, 4)]).toStrictEqual([0x89, 0x50, 0x4e, 0x47]);
      expect(png.bytes.readUInt32BE(16)).toBe(1800);
      // An empty picture would be smaller.
      expect(png.bytes.length).toBeGreaterThan(20_000);
    });

    test('a chart is read with the arrow keys', async () => {
      const page = await open();
      const chart = card(page, 'overview.clusters').getByRole('slider');
      await chart.focus();
      await page.keyboard.press('ArrowLeft');
      const last = await chart.getAttribute('aria-valuetext');
      await page.keyboard.press('ArrowLeft');
      const before = await chart.getAttribute('aria-valuetext');

      expect(last).toMatch(/^21 November 2026: \d+$/);
      expect(before).toMatch(/^20 November 2026: \d+$/);
      expect(await card(page, 'overview.clusters').locator('.tip').innerText()).toContain('20 November 2026');
      await page.keyboard.press('Escape');
      expect(await card(page, 'overview.clusters').locator('.tip').isHidden()).toBe(true);
    });

    test.each([
      { colorScheme: 'light' as const, scenario: 'small' as const },
      // The page differs from the light one in colours only.
      { colorScheme: 'dark' as const, scenario: 'small' as const, rules: ['color-contrast'] },
      { colorScheme: 'light' as const, scenario: 'one-cluster' as const },
      { colorScheme: 'dark' as const, scenario: 'empty' as const },
    ])('axe finds no violation: $colorScheme, $scenario', async ({ colorScheme, scenario, rules }) => {
      const page = await open('', { colorScheme }, scenario);
      const tables = page.getByRole('button', { name: 'Table' });
      if ((await tables.count()) > 0) await tables.first().click();

      expect(await findViolations(page, rules)).toStrictEqual([]);
    });

    test('the theme is chosen, and kept', async () => {
      const page = await open('', { colorScheme: 'light' }, 'empty');
      const background = (): Promise<string> =>
        page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      const light = await background();
      await page.getByRole('radio', { name: 'Dark' }).check();
      const dark = await background();
      await page.reload();
      await settle(page);

      expect(dark).not.toBe(light);
      expect(await background()).toBe(dark);
    });

    test('a screen of 320 pixels needs no sideways scrolling', async () => {
      const page = await open('?time=nodes.osImage,nodes.architecture', { viewport: { width: 320, height: 700 } });

      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
      expect(await textsOutside(page)).toStrictEqual([]);
    });

    test('a printed page has the charts and no controls', async () => {
      const page = await open('', OWN_PAGE);
      await page.emulateMedia({ media: 'print' });

      expect(await page.locator('#toolbar').isVisible()).toBe(false);
      expect(await page.locator('.tools').first().isVisible()).toBe(false);
      expect(await page.locator('.card svg').first().isVisible()).toBe(true);
    });

    test('without figures it says so', async () => {
      const page = await open('', {}, 'empty');

      expect(await page.locator('main').innerText()).toContain('No figures yet');
    });

    test('one cluster is told, and nothing about it', async () => {
      const page = await open('', {}, 'one-cluster');
      const text = await page.locator('body').innerText();

      expect(text).toContain('1 cluster with');
      expect(text).toContain('Not enough reports yet');
      expect(text).not.toMatch(/containerd|amd64|Ubuntu/);
    });

    test('a failed request is shown, and tried again', async () => {
      expected = /^console .* status of 503 /;
      const page = await open('', {}, 'error');
      expect(await page.getByRole('alert').innerText()).toContain('the database does not answer');

      server.scenario = 'small';
      await page.getByRole('button', { name: 'Try again' }).click();
      await page.locator('.tile').first().waitFor();
      server.scenario = 'error';
      await page.locator('input[name="range"][value="30d"]').check();
      await page.getByRole('alert').waitFor();

      // The figures from before stay.
      expect(await page.locator('.tile').count()).toBe(5);
    });

    test('operators give their token', async () => {
      expected = /^console .* status of 401 /;
      const page = await open('', OWN_PAGE, 'token');
      await page.getByLabel('Token').fill(TOKEN);
      await page.getByRole('button', { name: 'Show the figures' }).click();
      await page.locator('.tile').first().waitFor();
      await page.reload();
      await settle(page);

      expect(await page.locator('.tile').count()).toBe(5);
    });
  },
);

function card(page: Page, id: string) {
  return page.locator(`[id="question-${id}"]`);
}

async function notesOf(page: Page, id: string): Promise<string | null> {
  return await card(page, id).locator('.notes').textContent();
}

async function textsOf(page: Page, selector: string): Promise<string[]> {
  return await page.locator(selector).allTextContents();
}

/** Every text of a chart that is cut at the edge of the screen. */
async function textsOutside(page: Page): Promise<string[]> {
  return await page.evaluate(() =>
    [...document.querySelectorAll('svg text')]
      .filter((text) => {
        const { left, right } = text.getBoundingClientRect();
        return left < -0.5 || right > innerWidth + 0.5;
      })
      .map(({ textContent }) => textContent),
  );
}

/** @param rules of axe; all by default */
async function findViolations(page: Page, rules?: string[]): Promise<string[]> {
  await page.evaluate(axe.source);
  return await page.evaluate(async (runOnly) => {
    const { violations } = await (window as unknown as { axe: typeof axe }).axe.run(runOnly ? { runOnly } : {});
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }, rules);
}
