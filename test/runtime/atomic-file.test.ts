import { open, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { type Files, SYSTEM_FILES, writeAtomically } from '../../src/runtime/atomic-file.ts';
import { withFiles } from '../support/files.ts';

const MODES = { mode: 0o600, dirMode: 0o700 };

/** A file system in memory that forgets, in a power failure, names in directories that were not synced. */
function createForgetfulFiles() {
  const content = new Map<string, string>();
  let durable = new Map<string, string>();
  const synced: string[] = [];
  const files: Files = {
    list: () => Promise.reject(new Error('is not used')),
    read: (file) => Promise.resolve(content.get(file) ?? ''),
    write: (file, text) => Promise.resolve(void content.set(file, String(text))),
    rename: (from, to) => {
      content.set(to, content.get(from) ?? '');
      content.delete(from);
      return Promise.resolve();
    },
    remove: (file) => Promise.resolve(void content.delete(file)),
    syncDirectory: (directory) => {
      synced.push(directory);
      const others = [...durable].filter(([file]) => path.dirname(file) !== directory);
      durable = new Map([...others, ...[...content].filter(([file]) => path.dirname(file) === directory)]);
      return Promise.resolve();
    },
  };
  return { files, content, synced, afterPowerFailure: () => Object.fromEntries(durable) };
}

test('a file that was written is there after a power failure, and so are the directories that were made for it', async () => {
  await withFiles({}, async (root) => {
    const { files, synced, afterPowerFailure } = createForgetfulFiles();
    const file = path.join(root, 'new/spool/report');

    await writeAtomically(file, 'old', { ...MODES, files });
    await writeAtomically(file, 'new', { ...MODES, files });

    expect(afterPowerFailure()).toStrictEqual({ [file]: 'new' });
    expect(new Set(synced)).toStrictEqual(new Set([root, path.join(root, 'new'), path.join(root, 'new/spool')]));
  });
});

test('a write that fails leaves the old file, and no unfinished one', async () => {
  await withFiles({}, async (root) => {
    const { files, content } = createForgetfulFiles();
    const file = path.join(root, 'report');
    await writeAtomically(file, 'old', { ...MODES, files });
    const full: Files = {
      ...files,
      write: async (name, text, mode) => {
        await files.write(name, String(text).slice(0, 1), mode);
        throw new Error('ENOSPC');
      },
    };

    await expect(writeAtomically(file, 'new', { ...MODES, files: full })).rejects.toThrow('ENOSPC');

    expect(Object.fromEntries(content)).toStrictEqual({ [file]: 'old' });
  });
});

test('the content is synced before the name is', async () => {
  await withFiles({ x: '' }, async (root) => {
    const handle = await open(path.join(root, 'x'));
    const sync = vi.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'sync');
    await handle.close();
    try {
      await SYSTEM_FILES.write(path.join(root, 'report'), 'text', 0o640);
      expect(sync).toHaveBeenCalledTimes(1);
    } finally {
      sync.mockRestore();
    }
    await expect(readFile(path.join(root, 'report'), 'utf8')).resolves.toBe('text');
    expect((await stat(path.join(root, 'report'))).mode & 0o777).toBe(0o640);
  });
});
