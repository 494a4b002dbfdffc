import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const ENGINE_PROCESS = fileURLToPath(new URL('../../src/collector/store/engine/engine-process.ts', import.meta.url));
/** That of the bundle, which is in the temporary directory of the run: bundled-program.ts. */
const isBundled = (program = ''): boolean => program.startsWith(tmpdir()) && program.endsWith('/engine-process.js');

/** The process ids of the embedded engines of this checkout's tests, whose databases are temporary; none where there is no /proc. */
export async function findTestEngines(): Promise<readonly number[]> {
  const names = await readdir('/proc').catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        // The command line of a process that has ended is empty.
        const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
        const [, program, directory = ''] = commandLine.split('\0');
        const isEngine = program === ENGINE_PROCESS || isBundled(program);
        return isEngine && directory.startsWith(tmpdir()) ? [Number(name)] : [];
      }),
  );
  return found.flat();
}
