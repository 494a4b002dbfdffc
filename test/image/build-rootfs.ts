import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { TestProject } from 'vitest/node';
import { findImageTools } from '../support/image.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The directory of the root file systems. */
    rootFileSystems: string;
  }
}

const PROJECT = path.join(import.meta.dirname, '../..');

/** Makes the root file systems for the tests of the image, from the files that a container engine would read. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const { missing } = findImageTools();
  if (missing !== undefined) throw new Error(`the image cannot be tested: ${missing}`);
  const given = process.env['SPARTAKUS_TEST_ROOTFS'];
  if (given !== undefined) {
    provide('rootFileSystems', path.resolve(given));
    return () => Promise.resolve();
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-image-'));
  const remove = (): Promise<void> => rm(directory, { recursive: true });
  try {
    const context = path.join(directory, 'context');
    copyBuildContext(context);
    const commit = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: PROJECT, encoding: 'utf8' }).stdout.trim();
    run(context, 'npm', ['run', '--silent', 'build'], { SPARTAKUS_COMMIT: commit });
    run(context, 'deploy/image/rootfs.sh', [path.join(directory, 'root')], { SOURCE_DATE_EPOCH: '1700000000' });
  } catch (error) {
    await remove();
    throw error;
  }
  provide('rootFileSystems', path.join(directory, 'root'));
  return remove;
}

/** What Dockerfile.dockerignore lets through, and the installed packages. */
function copyBuildContext(context: string): void {
  const rules = readFileSync(path.join(PROJECT, 'deploy/image/Dockerfile.dockerignore'), 'utf8').split('\n');
  mkdirSync(context);
  for (const name of rules.filter((rule) => rule.startsWith('!')).map((rule) => rule.slice(1)))
    cpSync(path.join(PROJECT, name), path.join(context, name), { recursive: true });
  symlinkSync(path.join(PROJECT, 'node_modules'), path.join(context, 'node_modules'));
}

function run(cwd: string, command: string, args: readonly string[], env: NodeJS.ProcessEnv): void {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ends with ${status}:\n${stdout}${stderr}`);
}
