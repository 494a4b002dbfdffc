import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

const ENGINE_PROCESS = fileURLToPath(new URL('../../src/collector/store/engine/engine-process.ts', import.meta.url));

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
        return program === ENGINE_PROCESS && directory.startsWith(tmpdir()) ? [Number(name)] : [];
      }),
  );
  return found.flat();
}
