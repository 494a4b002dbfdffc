import { cp, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { openStore } from '../../src/collector/store/open.ts';
import { makeReport } from './reports.ts';

/** A database with reports that no process has open. */
export interface ClosedDatabase {
  /** Calls `use` with a copy of its directory, and removes the copy. */
  withCopy(use: (directory: string) => Promise<void>): Promise<void>;
  remove(): Promise<void>;
}

/** Closed and opened again, so that the journal does not have all of it: otherwise the engine repairs some damage from the journal. */
export async function makeClosedDatabase(reports: number): Promise<ClosedDatabase> {
  const parent = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
  const directory = path.join(parent, 'data');
  for (const count of [reports, 0]) {
    const store = await openStore(
      { kind: 'embedded', directory },
      { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout },
    );
    await store.put(Array.from({ length: count }, () => ({ report: makeReport() })));
    await store.close();
  }
  let copies = 0;
  return {
    withCopy: async (use) => {
      copies += 1;
      const copy = path.join(parent, `copy-${copies}`);
      await cp(directory, copy, { recursive: true });
      await use(copy);
      await rm(copy, { recursive: true, force: true });
    },
    remove: () => rm(parent, { recursive: true, force: true }),
  };
}

/** The largest file whose name starts with a text, such as `collection`. */
export async function findFile(directory: string, start: string): Promise<string> {
  const names = (await readdir(directory)).filter((name) => name.startsWith(start));
  const sized = await Promise.all(
    names.map(async (name) => ({
      file: path.join(directory, name),
      size: (await stat(path.join(directory, name))).size,
    })),
  );
  const largest = sized.toSorted((one, other) => other.size - one.size)[0];
  if (largest === undefined) throw new Error(`${directory} has no file ${start}*`);
  return largest.file;
}
