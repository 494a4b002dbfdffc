import { chmod, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { makePrivate } from '../../../src/collector/store/embedded.ts';
import { withFiles } from '../../support/files.ts';

test("the database's directory is readable by its owner only, whether it is created or existed", async () => {
  await withFiles({}, async (dir) => {
    const [created, existing] = [path.join(dir, 'parent', 'created'), path.join(dir, 'existing')];
    await mkdir(existing);
    await chmod(existing, 0o755);

    for (const directory of [created, existing]) {
      await makePrivate(directory);
      expect((await stat(directory)).mode & 0o777).toBe(0o700);
    }
  });
});

test('a directory with files of other programs keeps its mode, one with a database becomes private', async () => {
  await withFiles({ 'shared/notes.txt': '', 'database/WiredTiger': '', 'database/notes.txt': '' }, async (dir) => {
    const modeOf = async (name: string): Promise<number> => {
      await chmod(path.join(dir, name), 0o755);
      await makePrivate(path.join(dir, name));
      return (await stat(path.join(dir, name))).mode & 0o777;
    };

    expect([await modeOf('shared'), await modeOf('database')]).toStrictEqual([0o755, 0o700]);
  });
});
