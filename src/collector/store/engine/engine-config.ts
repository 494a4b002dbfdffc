import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ignoreMissing, writeAtomically } from '../../../runtime/atomic-file.ts';
import { SpartakusError } from '../../../runtime/errors.ts';

/** WiredTiger reads it when it opens the directory: https://source.wiredtiger.com/develop/database_config.html */
const CONFIG_FILE = 'WiredTiger.config';
/**
 * Each commit writes the journal to the disk before it returns; concurrent commits share a write. Without it, the engine (0.1.1) acknowledges
 * some writes up to 100 ms before, whatever the write concern.
 */
const DURABLE_COMMITS = 'transaction_sync=(enabled=true,method=fsync)';

const EXTENSIONS = 'builtin_extension_config';
/** That of MongoDB's servers. The engine's is lower, and a report takes a tenth more with it. */
const COMPRESSION_LEVEL = `${EXTENSIONS}=(zstd=(compression_level=6))`;

/**
 * Makes every commit of the database in a directory durable, and sets how well it is compressed unless its configuration file does. Keeps
 * the other lines of the file.
 */
export async function configureEngine(directory: string): Promise<void> {
  const file = path.join(directory, CONFIG_FILE);
  const content = (await ignoreMissing(() => readFile(file, 'utf8'))) ?? '';
  const settings = content.replaceAll(/#.*/g, '').replaceAll(/\s/g, '');
  if (settings.replaceAll(DURABLE_COMMITS, '').includes('transaction_sync')) {
    throw new SpartakusError(
      'invalid',
      `${file}: sets transaction_sync, which would lose acknowledged reports. Remove it, or set ${DURABLE_COMMITS}.`,
    );
  }
  const missing = [
    ...(settings.includes(DURABLE_COMMITS) ? [] : [DURABLE_COMMITS]),
    ...(settings.includes(EXTENSIONS) ? [] : [COMPRESSION_LEVEL]),
  ];
  if (missing.length === 0) return;
  const separator = content === '' || content.endsWith('\n') ? '' : '\n';
  await writeAtomically(file, `${content}${separator}${missing.join('\n')}\n`, { mode: 0o600, dirMode: 0o700 });
}
