import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from './errors.ts';

/**
 * Creates a directory and its missing parents, one by one: the recursive `mkdir` of Node.js never ends where a parent cannot be created,
 * as under /proc. Rejects with the system's error, also where a file is in the way.
 *
 * @returns the directories that were missing, the deepest first
 */
export async function makeDirectory(directory: string, mode?: number): Promise<readonly string[]> {
  const target = path.resolve(directory);
  const missing: string[] = [];
  for (let each = target; (await kindOf(each)) === 'missing'; each = path.dirname(each)) missing.push(each);
  for (const each of missing.length === 0 ? [target] : missing.toReversed()) {
    try {
      await mkdir(each, { mode });
    } catch (error) {
      // Or another process was faster.
      if (!hasCode(error, 'EEXIST') || (await kindOf(each)) !== 'directory') throw error;
    }
  }
  return missing;
}

async function kindOf(name: string): Promise<'missing' | 'directory' | 'other'> {
  try {
    return (await stat(name)).isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 'missing';
    throw error;
  }
}
