import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

/** Set in the build (see vite.config.ts); not defined if the program runs from its sources. */
declare const SPARTAKUS_COMMIT: string | undefined;

/** The name of a file, such as "dashboard.js", and its bytes. */
export type DashboardFiles = ReadonlyMap<string, Uint8Array>;

/**
 * Reads the files of the dashboard from the package. A program that runs from its sources builds them in memory instead, so that the page
 * is always that of the sources.
 */
export async function loadDashboardFiles(): Promise<DashboardFiles> {
  return typeof SPARTAKUS_COMMIT === 'string' ? await readFiles() : await buildDashboardFiles();
}

async function readFiles(): Promise<DashboardFiles> {
  const folder = path.join(import.meta.dirname, 'dashboard');
  const names = await readdir(folder);
  return new Map(
    await Promise.all(names.map(async (name) => [name, await readFile(path.join(folder, name))] as const)),
  );
}

async function buildDashboardFiles(): Promise<DashboardFiles> {
  const { build } = await import('vite');
  const configFile = path.join(import.meta.dirname, '../../../../vite.dashboard.config.ts');
  const built = await build({ configFile, logLevel: 'error', build: { write: false } });
  const [result] = [built].flat();
  if (result === undefined || !('output' in result)) throw new Error('the build of the dashboard has no output');
  return new Map(
    result.output.map((file) => [file.fileName, Buffer.from(file.type === 'chunk' ? file.code : file.source)]),
  );
}
