import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { open, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { hasCode } from '../../src/runtime/errors.ts';

/** A file system of its own, in memory. */
export interface SmallDisk {
  readonly directory: string;
  /** Fills it with a file until so many bytes are free. */
  fill(freeBytes: number): Promise<void>;
  /** Removes that file. */
  free(): Promise<void>;
  unmount(): void;
}

const CHUNK = Buffer.alloc(1024 * 1024);

/** Undefined where this user may not mount one. */
export function mountSmallDisk(bytes: number): SmallDisk | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const directory = mkdtempSync(path.join(tmpdir(), 'spartakus-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'none', directory], { stdio: 'ignore' });
  } catch {
    rmdirSync(directory);
    return undefined;
  }
  const file = path.join(directory, 'fill');
  return {
    directory,
    fill: async (freeBytes) => {
      const { bavail, bsize } = await statfs(directory);
      const handle = await open(file, 'a');
      try {
        for (let left = bavail * bsize - freeBytes; left > 0; left -= CHUNK.length)
          await handle.write(CHUNK.subarray(0, Math.min(left, CHUNK.length)));
      } catch (error) {
        // The database writes too.
        if (!hasCode(error, 'ENOSPC')) throw error;
      }
      await handle.close();
    },
    free: () => rm(file, { force: true }),
    unmount: () => {
      // Lazy, for a process that a failed test left.
      execFileSync('umount', ['--lazy', directory]);
      rmdirSync(directory);
    },
  };
}
