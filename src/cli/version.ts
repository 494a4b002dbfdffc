import { spawnSync } from 'node:child_process';
import process from 'node:process';
import manifest from '../../package.json' with { type: 'json' };

/** The commit of the build (see vite.config.ts); not defined if the program runs from its sources. */
declare const SPARTAKUS_COMMIT: string | undefined;

/** Such as "v2.0.0". */
export const PROGRAM_VERSION = `v${manifest.version}`;

/** Such as "v2.0.0 (commit 1a2b3c4d5e6f, Node.js v26.10.0)". */
export function describeVersion(): string {
  const commit = typeof SPARTAKUS_COMMIT === 'string' ? SPARTAKUS_COMMIT : readCommit();
  return `${PROGRAM_VERSION} (commit ${commit}, Node.js ${process.version})`;
}

function readCommit(): string {
  const options = { cwd: import.meta.dirname, encoding: 'utf8' } as const;
  const { status, stdout } = spawnSync('git', ['rev-parse', '--short=12', 'HEAD'], options);
  return status === 0 ? stdout.trim() : 'unknown';
}
