import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

/** A page, and what went wrong in it. */
export interface WatchedPage {
  readonly page: Page;
  /** Errors of scripts, messages of the console, violations of the Content-Security-Policy, and requests to other origins. */
  readonly problems: string[];
  /** Loads another address, as a new page without history would: nothing is stored, and no problem is kept. */
  load(url: string): Promise<void>;
  close(): Promise<void>;
}

export const VIEWPORT = { width: 1200, height: 900 };

/** Opens an address without transitions, unless the options ask for them, and waits for the figures or a message. */
export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: VIEWPORT, reducedMotion: 'reduce', ...options });
  const problems: string[] = [];
  await context.exposeBinding('reportViolation', (_source, text: string) => problems.push(text));
  await context.addInitScript(() => {
    const { reportViolation: report } = window as unknown as { readonly reportViolation: (text: string) => void };
    addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
      report(`CSP ${violatedDirective}: ${blockedURI}`),
    );
  });
  const page = await context.newPage();
  const { origin } = new URL(url);
  page.on('request', (request) => {
    const target = request.url();
    if (!target.startsWith(`${origin}/`) && !target.startsWith(`blob:${origin}/`)) problems.push(`request ${target}`);
  });
  page.on('pageerror', (error) => problems.push(`error ${error.message}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(`console ${message.text()}`);
  });
  await page.goto(url);
  await settle(page);
  return {
    page,
    problems,
    load: async (next) => {
      await page.evaluate(() => {
        localStorage.clear();
        sessionStorage.clear();
      });
      // An address that differs in its fragment only would not be loaded.
      await page.goto('about:blank');
      problems.length = 0;
      await page.goto(next);
      await settle(page);
    },
    close: () => context.close(),
  };
}

/** Waits until the figures of the last change are shown, and no longer fade in. */
export async function settle(page: Page): Promise<void> {
  await page.locator('main[aria-busy=false]').waitFor();
  await page.evaluate(async () => {
    // Rejected for a transition that another one replaces.
    await Promise.allSettled(document.getAnimations().map(({ finished }) => finished));
  });
}
