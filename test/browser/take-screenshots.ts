/**
 * Takes pictures of a dashboard: node test/browser/take-screenshots.ts URL FOLDER
 * The files are dashboard-light.png, dashboard-dark.png and dashboard-narrow.png.
 */
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { findBrowser, openBrowser } from './support/browser.ts';
import { openPage } from './support/watched-page.ts';

const PICTURES = [
  { name: 'light', colorScheme: 'light', width: 1280, height: 1800 },
  { name: 'dark', colorScheme: 'dark', width: 1280, height: 1800 },
  { name: 'narrow', colorScheme: 'light', width: 390, height: 1800 },
] as const;

const [url, folder] = process.argv.slice(2);
if (url === undefined || folder === undefined) throw new Error('usage: take-screenshots.ts URL FOLDER');
const search = findBrowser();
if ('missing' in search) throw new Error(search.missing);
await mkdir(folder, { recursive: true });
const browser = await openBrowser(search.executable);
try {
  for (const { name, colorScheme, width, height } of PICTURES) {
    const opened = await openPage(browser, url, { colorScheme, viewport: { width, height } });
    const { page, problems } = opened;
    await page.locator('.tile').first().waitFor();
    await page.screenshot({ path: path.join(folder, `dashboard-${name}.png`), animations: 'disabled' });
    if (problems.length > 0) throw new Error(problems.join('\n'));
    await opened.close();
  }
} finally {
  await browser.close();
}
