import { open, readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { ignoreMissing } from '../../runtime/atomic-file.ts';
import { hasCode, SpartakusError } from '../../runtime/errors.ts';

/** The files that WiredTiger and the engine have written before the first collection exists. Without its catalog, data is invisible. */
const CATALOG = ['WiredTiger.turtle', 'WiredTiger.wt', 'WiredTigerHS.wt', '_mdb_catalog.wt', 'sizeStorer.wt'];
/** The engine checks only whether it exists. */
const MARKER = 'WiredTiger';
const TURTLE = 'WiredTiger.turtle';
const TURTLE_START = 'WiredTiger version string\n';
const DATA_FILE = /^(?:collection|index)-.+\.wt$/;
const LOG_FILE = /^WiredTigerLog\.(\d+)$/;
/** The first bytes of every file of WiredTiger (WT_BLOCK_MAGIC). A new file is empty until it has them. */
const BLOCK_MAGIC = 120_897;

/**
 * Finds damage of a database's directory that the engine would answer by ending its process without a word, or by opening an empty
 * database. Reads a few bytes of each file, and changes nothing. A directory that is missing or has no database is not damaged, and neither
 * is one whose engine was killed at any moment, the first start included.
 *
 * @returns a description such as "WiredTiger.turtle is missing"; undefined where nothing was found
 * @throws the system's error, such as EACCES, where the directory cannot be read
 */
export async function inspectDataDirectory(directory: string): Promise<string | undefined> {
  const names = (await ignoreMissing(() => readdir(directory))) ?? [];
  const hasData = names.some((name) => DATA_FILE.test(name));
  if (hasData) {
    for (const name of [MARKER, ...CATALOG]) {
      // Not by the list of names: the last engine may still be closing, and a file that is renamed meanwhile can be absent from a list.
      const found = await ignoreMissing(() => stat(path.join(directory, name)));
      if (found === undefined) return `${name} is missing`;
      if (found.size === 0 && name !== MARKER) return `${name} is empty`;
    }
  }
  for (const name of names.filter((each) => each.endsWith('.wt')).toSorted()) {
    if (!(await hasBlockHeader(path.join(directory, name)))) return `${name} is not a file of WiredTiger`;
  }
  const turtle = await ignoreMissing(() => readFile(path.join(directory, TURTLE), 'utf8'));
  return turtle === undefined ? undefined : await inspectTurtle(directory, turtle);
}

/** @throws SpartakusError `unavailable` where {@link inspectDataDirectory} finds damage; also its errors */
export async function rejectDamaged(directory: string): Promise<void> {
  const problem = await inspectDataDirectory(directory);
  if (problem === undefined) return;
  throw new SpartakusError(
    'unavailable',
    `the database in ${directory} is damaged: ${problem}. Nothing was changed. Restore the directory from a backup, or start ` +
      'with an empty database in another directory: --database embedded:OTHER',
  );
}

async function hasBlockHeader(file: string): Promise<boolean> {
  const handle = await open(file).catch((error: unknown) => {
    // Removed meanwhile.
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (handle === undefined) return true;
  try {
    const { bytesRead, buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    return bytesRead === 0 || (bytesRead === 4 && buffer.readUInt32LE() === BLOCK_MAGIC);
  } finally {
    await handle.close();
  }
}

/** The turtle describes the last checkpoint, and names the log file from which later writes are recovered. */
async function inspectTurtle(directory: string, turtle: string): Promise<string | undefined> {
  if (turtle !== '' && !turtle.startsWith(TURTLE_START)) return `${TURTLE} is not a file of WiredTiger`;
  const needed = Number(/,checkpoint_lsn=\((\d+),/.exec(turtle)?.[1] ?? 0);
  // Written when the engine opens, emptied when it closes.
  const lock = await ignoreMissing(() => stat(path.join(directory, 'mongod.lock')));
  if (needed === 0 || lock === undefined || lock.size === 0) return undefined;
  const logs = (await ignoreMissing(() => readdir(path.join(directory, 'journal')))) ?? [];
  const newest = Math.max(0, ...logs.map((name) => Number(LOG_FILE.exec(name)?.[1] ?? 0)));
  if (newest >= needed) return undefined;
  return `the journal is missing (journal/WiredTigerLog.${String(needed).padStart(10, '0')}), and the engine was not closed after the last write`;
}
