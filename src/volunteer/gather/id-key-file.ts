import { link, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreMissing, SYSTEM_FILES } from '../../runtime/atomic-file.ts';
import { hasCode, messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { makeDirectory } from '../../runtime/make-directory.ts';

/** In the spool directory. */
export const KEY_FILE = 'id-key';

const KEY_BYTES = 32;
const MIN_KEY_BYTES = 16;

/** A key of 32 random bytes, as 64 hexadecimal digits: these are the key, so that a copy in a file gives the same ids. */
export function createKey(randomBytes: (length: number) => Uint8Array): Uint8Array {
  return Buffer.from(Buffer.from(randomBytes(KEY_BYTES)).toString('hex'));
}

/** The key without a line break at its end, which editors add. Undefined where it is so short that it can be guessed. */
export function parseKey(bytes: Uint8Array): Uint8Array | undefined {
  const key = trimKey(bytes);
  return key.length < MIN_KEY_BYTES ? undefined : key;
}

function trimKey(bytes: Uint8Array): Uint8Array {
  const lineBreak = /\r?\n$/.exec(Buffer.from(bytes).toString('latin1'))?.[0].length ?? 0;
  return bytes.subarray(0, bytes.length - lineBreak);
}

/** Reads --id-key-file, a key of at least 16 bytes. Rejects with a SpartakusError `invalid` that names the flag. */
export async function readKeyFile(file: string): Promise<Uint8Array> {
  const fail = (problem: string): never => {
    throw new SpartakusError('invalid', `--id-key-file ${file}: ${problem}.`, { field: '--id-key-file' });
  };
  const bytes = await readFile(file).catch((error: unknown) => fail(`cannot be read: ${messageOf(error)}`));
  const key = trimKey(bytes);
  if (key.length >= MIN_KEY_BYTES) return key;
  return fail(
    `is a key of ${key.length} bytes, and fewer than ${MIN_KEY_BYTES} can be guessed: make one with "openssl rand -hex 32"`,
  );
}

interface OpenKeyOptions {
  readonly randomBytes: (length: number) => Uint8Array;
  readonly logger: Logger;
}

/**
 * Reads the key in a directory, and creates it if there is none. Undefined, and logged, where it cannot be written. Rejects with a
 * SpartakusError `invalid` where the file is there, and holds no key: a new key would silently change all ids.
 */
export async function openKeyFile(
  directory: string,
  { randomBytes, logger }: OpenKeyOptions,
): Promise<Uint8Array | undefined> {
  const file = path.join(directory, KEY_FILE);
  const found = await readStoredKey(file);
  if (found !== undefined) return found;
  try {
    await makeDirectory(directory);
    await createExclusively(file, Buffer.concat([createKey(randomBytes), Buffer.from('\n')]), randomBytes);
  } catch (error) {
    logger.warn({ file }, `The key of identifiers cannot be kept in --spool-dir: ${messageOf(error)}`);
    return undefined;
  }
  // Another volunteer may have created it first.
  return await readStoredKey(file);
}

/** Undefined where there is no file. Rejects as {@link openKeyFile}. */
export async function readStoredKey(file: string): Promise<Uint8Array | undefined> {
  const fail = (problem: string): never => {
    throw new SpartakusError('invalid', `${file}: ${problem}. Restore it, or delete it, which makes all ids new.`, {
      field: '--spool-dir',
    });
  };
  try {
    const bytes = await ignoreMissing(() => readFile(file));
    if (bytes !== undefined) return parseKey(bytes) ?? fail('holds no key of identifiers');
  } catch (error) {
    if (error instanceof SpartakusError) throw error;
    if (!hasCode(error, 'ENOTDIR')) return fail(`cannot be read: ${messageOf(error)}`);
  }
  return undefined;
}

/** Writes a file of mode 0600 whole or not at all, unless it exists. */
async function createExclusively(
  file: string,
  content: Uint8Array,
  randomBytes: (length: number) => Uint8Array,
): Promise<void> {
  const directory = path.dirname(file);
  const name = `.${path.basename(file)}-${Buffer.from(randomBytes(6)).toString('hex')}.unfinished`;
  const unfinished = path.join(directory, name);
  const ignoreExisting = (error: unknown): void => {
    if (!hasCode(error, 'EEXIST')) throw error;
  };
  try {
    await SYSTEM_FILES.write(unfinished, content, 0o600);
    // Unlike a rename, a link fails where the file exists.
    await link(unfinished, file).catch(async (error: unknown) => {
      if (hasCode(error, 'EEXIST')) return;
      // A file system without hard links.
      await writeFile(file, content, { flag: 'wx', mode: 0o600 }).catch(ignoreExisting);
    });
    await SYSTEM_FILES.syncDirectory(directory);
  } finally {
    await SYSTEM_FILES.remove(unfinished).catch(() => undefined);
  }
}
