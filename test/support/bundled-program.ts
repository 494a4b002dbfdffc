import { mkdtemp, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * For `globalSetup`, after no-stray-engines.ts, which removes what this makes: bundles the program as `npm run build` does, because a start of the
 * bundle takes a third of the time that a start of the sources takes. SPARTAKUS_TEST_PROGRAM names another program, such as src/main.ts.
 */
export async function setup(): Promise<void> {
  if ((process.env['SPARTAKUS_TEST_PROGRAM'] ?? '') !== '') return;
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-program-'));
  // Packages that are not in the bundle.
  await symlink(path.join(ROOT, 'node_modules'), path.join(directory, 'node_modules'));
  const outDir = path.join(directory, 'dist');
  await build({
    configFile: path.join(ROOT, 'vite.config.ts'),
    root: ROOT,
    logLevel: 'error',
    build: {
      outDir,
      reportCompressedSize: false,
      rolldownOptions: { input: ['test/support/start-on-stdin.ts'], output: { minify: false } },
    },
  });
  process.env['SPARTAKUS_TEST_PROGRAM'] = path.join(outDir, 'main.js');
}
