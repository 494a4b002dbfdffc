import { mkdir, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { writeAtomically } from '../../src/runtime/atomic-file.ts';
import { makeDirectory } from '../../src/runtime/make-directory.ts';
import { withFiles } from '../support/files.ts';

test('missing parents are created with the mode, and returned', async () => {
  await withFiles({}, async (dir) => {
    const [first, last] = [path.join(dir, 'a'), path.join(dir, 'a/b/c')];

    await expect(makeDirectory(last, 0o700)).resolves.toStrictEqual([last, path.dirname(last), first]);
    await expect(makeDirectory(last, 0o700)).resolves.toStrictEqual([]);
    for (const each of [first, last]) expect((await stat(each)).mode & 0o777).toBe(0o700);
  });
});

test('many at the same time create a directory once', async () => {
  await withFiles({}, async (dir) => {
    const directory = path.join(dir, 'a/b/c');

    await Promise.all(Array.from({ length: 20 }, () => makeDirectory(directory)));

    expect((await stat(directory)).isDirectory()).toBe(true);
  });
});

test.runIf(process.platform === 'linux').each([
  ['/proc/spartakus', 'ENOENT'],
  ['/proc/spartakus/a/b', 'ENOENT'],
  ['/dev/null/a', 'ENOTDIR'],
])(
  '%s, which cannot be created, is an error (the recursive mkdir of Node.js never ends under /proc)',
  async (directory, code) => {
    await expect(makeDirectory(directory)).rejects.toMatchObject({ code });
    await expect(
      writeAtomically(path.join(directory, 'file'), '', { mode: 0o600, dirMode: 0o700 }),
    ).rejects.toMatchObject({ code });
  },
);

test('a file or a broken link in the way is an error', async () => {
  await withFiles({ file: '' }, async (dir) => {
    await symlink(path.join(dir, 'missing/target'), path.join(dir, 'link'));
    await mkdir(path.join(dir, 'directory'));
    await symlink(path.join(dir, 'directory'), path.join(dir, 'good-link'));

    await expect(makeDirectory(path.join(dir, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeDirectory(path.join(dir, 'file/a'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(makeDirectory(path.join(dir, 'link'))).rejects.toMatchObject({ code: 'EEXIST' });
    await expect(makeDirectory(path.join(dir, 'good-link/a'))).resolves.toStrictEqual([path.join(dir, 'good-link/a')]);
  });
});
