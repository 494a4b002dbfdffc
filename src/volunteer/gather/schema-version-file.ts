import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chooseSchemaVersion, parseSchemaVersion } from '../../report/schema-version.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

export const SCHEMA_VERSION_FILE = 'schema-version';

/**
 * The schema version of reports: --schema-version, else that of the file, else the newest. With `keep` the newest is written to the file,
 * so that an upgrade sends no further fields; a failure is a warning. Rejects with a SpartakusError `invalid` where the file is invalid.
 */
export async function readSchemaVersion(
  configured: number | undefined,
  directory: string | undefined,
  { keep, logger }: { readonly keep: boolean; readonly logger?: Logger },
): Promise<number> {
  if (configured !== undefined || directory === undefined) return chooseSchemaVersion(configured, undefined);
  const file = path.join(directory, SCHEMA_VERSION_FILE);
  const stored = await read(file);
  const version = chooseSchemaVersion(undefined, stored);
  if (stored === undefined && keep) await write(file, version, logger);
  return version;
}

async function read(file: string): Promise<number | undefined> {
  const fail = (problem: string): never => {
    const advice = 'Choose the fields that may be sent with --schema-version, or correct the file';
    throw new SpartakusError('invalid', `${file}: ${problem}. ${advice}.`, { field: '--schema-version' });
  };
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : fail(`cannot be read: ${messageOf(error)}`);
  });
  if (text === undefined) return undefined;
  return parseSchemaVersion(text.trim()) ?? fail(`${JSON.stringify(text.slice(0, 20))} is not a schema version`);
}

async function write(file: string, version: number, logger: Logger | undefined): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    // `wx`: a file that another process has written meanwhile is not replaced.
    await writeFile(file, `${version}\n`, { flag: 'wx' });
  } catch (error) {
    const consequence = 'so a later release would send its newer fields';
    logger?.warn({ file }, `The schema version ${version} cannot be kept, ${consequence}: ${messageOf(error)}`);
  }
}
