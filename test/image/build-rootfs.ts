import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import type { TestProject } from 'vitest/node';
import { buildRootFileSystems, findImageTools } from '../support/image.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The directory of the root file systems. */
    rootFileSystems: string;
  }
}

/** Makes the root file systems for the tests of the image. */
export async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const { missing } = findImageTools();
  if (missing !== undefined) throw new Error(`the image cannot be tested: ${missing}`);
  const given = process.env['SPARTAKUS_TEST_ROOTFS'];
  if (given !== undefined) {
    provide('rootFileSystems', path.resolve(given));
    return () => Promise.resolve();
  }
  const directory = await mkdtemp(path.join(tmpdir(), 'spartakus-image-'));
  buildRootFileSystems(directory);
  provide('rootFileSystems', directory);
  return () => rm(directory, { recursive: true });
}
