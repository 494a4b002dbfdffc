import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';

/** Why promtool cannot be run; without a reason where it can. */
export function findPromtool(): { readonly missing?: string } {
  const found = spawnSync('promtool', ['--version']).status === 0;
  return found ? {} : { missing: 'promtool is not in PATH: it is in the package prometheus of Debian' };
}

/**
 * @returns its output
 * @throws Error with its output, where it finds a problem
 */
export async function runPromtool(...args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('promtool', args);
  return stdout + stderr;
}
