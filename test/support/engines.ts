import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const ENGINE_PROCESS = fileURLToPath(new URL('../../src/collector/store/engine/engine-process.ts', import.meta.url));

/** The process ids of all embedded engines that run from this checkout's sources; none where there is no /proc. */
export async function findEngines(): Promise<readonly number[]> {
  const names = await readdir('/proc').catch(() => []);
  const found = await Promise.all(
    names
      .filter((name) => /^\d+$/.test(name))
      .map(async (name) => {
        // The command line of a process that has ended is empty.
        const commandLine = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '');
        return commandLine.split('\0').includes(ENGINE_PROCESS) ? [Number(name)] : [];
      }),
  );
  return found.flat();
}
