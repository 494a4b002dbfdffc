import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Browser, chromium } from 'playwright-core';

/** Names under which distributions install it. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const PACKAGES = ['chromium', 'fonts-liberation'];

export type BrowserSearch = { readonly executable: string } | { readonly missing: string };

/**
 * Finds Chromium, and installs Debian's package where it is missing. SPARTAKUS_TEST_CHROMIUM names another one.
 *
 * @throws Error in CI, where the tests must not be skipped
 */
export function findBrowser(environment: NodeJS.ProcessEnv = process.env): BrowserSearch {
  const named = environment['SPARTAKUS_TEST_CHROMIUM'];
  const found = named ?? findExecutable(environment) ?? install(environment);
  if (typeof found === 'string') return { executable: found };
  if (environment['CI'] !== undefined) throw new Error(found.missing);
  return found;
}

function findExecutable({ PATH = '' }: NodeJS.ProcessEnv): string | undefined {
  return PATH.split(path.delimiter)
    .flatMap((folder) => NAMES.map((name) => path.join(folder, name)))
    .find((file) => existsSync(file));
}

/** Only as root: a password must not be asked for in a test. */
function install(environment: NodeJS.ProcessEnv): string | { readonly missing: string } {
  const advice = 'Install Chromium, or set SPARTAKUS_TEST_CHROMIUM to its path.';
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get'))
    return { missing: `Chromium is not installed, and only root can install it with apt-get. ${advice}` };
  process.stderr.write('spartakus: installing chromium for the browser tests (apt-get install; up to a minute)\n');
  const run = (...args: string[]) =>
    spawnSync('apt-get', args, { encoding: 'utf8', env: { ...environment, DEBIAN_FRONTEND: 'noninteractive' } });
  run('update');
  const { status, stderr } = run('install', '--yes', '--no-install-recommends', ...PACKAGES);
  const installed = findExecutable(environment);
  if (installed !== undefined) return installed;
  const cause = stderr.split('\n').find((line) => line.startsWith('E:')) ?? `exit status ${status}`;
  return { missing: `Chromium could not be installed: ${cause}. ${advice}` };
}

export async function openBrowser(executable: string): Promise<Browser> {
  // The sandbox of Chromium does not start as root, which containers of CI run as.
  const args = process.getuid?.() === 0 ? ['--no-sandbox', '--disable-gpu'] : ['--disable-gpu'];
  return await chromium.launch({ executablePath: executable, args });
}
