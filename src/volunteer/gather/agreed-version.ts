import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chooseSchemaVersion, parseSchemaVersion } from '../../report/schema-version.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';

/** The file beside the spool that keeps the version of the release that was installed first. */
export const SCHEMA_VERSION_FILE = 'schema-version';

/**
 * The schema version that reports are made with: what the administrator says, else the newest of the release that was installed first
 * (which this keeps in the directory, once), so that an upgrade sends nothing that nobody agreed to. Without a directory there is
 * nothing to remember it by, and it is the newest.
 *
 * A file that holds anything else is a SpartakusError `invalid` that names it: to guess could send too much. A directory that cannot be
 * written is a warning.
 *
 * @param options.keep whether the version is written where there is none yet
 */
export async function readAgreedVersion(
  given: number | undefined,
  directory: string | undefined,
  { keep, logger }: { readonly keep: boolean; readonly logger?: Logger },
): Promise<number> {
  if (given !== undefined || directory === undefined) return chooseSchemaVersion(given, undefined);
  const file = path.join(directory, SCHEMA_VERSION_FILE);
  const kept = await readKept(file);
  const version = chooseSchemaVersion(undefined, kept);
  if (kept === undefined && keep) await write(file, version, logger);
  return version;
}

async function readKept(file: string): Promise<number | undefined> {
  const fail = (problem: string): never => {
    throw new SpartakusError(
      'invalid',
      `${file}: ${problem}. Say which fields may be sent with --schema-version, or correct the file.`,
      { field: '--schema-version' },
    );
  };
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
      return undefined;
    return fail(`cannot be read: ${messageOf(error)}`);
  }
  return parseSchemaVersion(text.trim()) ?? fail(`${JSON.stringify(text.slice(0, 20))} is not a schema version`);
}

async function write(file: string, version: number, logger: Logger | undefined): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    // Never over a file that another start has written in between.
    await writeFile(file, `${version}\n`, { flag: 'wx' });
  } catch (error) {
    logger?.warn(
      { file },
      `The schema version ${version} cannot be kept, so a later release would send its newer fields: ${messageOf(error)}`,
    );
  }
}
