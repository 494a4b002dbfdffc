import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import {
  createSocketDirectory,
  removeOldSocketDirectories,
} from '../../../../src/collector/store/engine/socket-directory.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';

afterEach(() => vi.unstubAllEnvs());

test('the socket directories of earlier engines of a database are removed, and no others', async () => {
  await withFiles({ 'data/x': '', 'other/x': '', 'tmp/spartakus-data-abcdef/x': '' }, async (dir) => {
    const [data, other, tmp] = ['data', 'other', 'tmp'].map((name) => path.join(dir, name)) as [string, string, string];
    vi.stubEnv('TMPDIR', tmp);
    const old = await createSocketDirectory(data);
    await mkdir(path.join(old, 'embedded-mongodb-abcdef'));
    const ofOther = await createSocketDirectory(other);
    const current = await createSocketDirectory(data);

    await removeOldSocketDirectories(data, current);

    expect((await readdir(tmp)).toSorted()).toStrictEqual(
      [current, ofOther, 'spartakus-data-abcdef'].map((name) => path.basename(name)).toSorted(),
    );
    expect((await stat(current)).mode & 0o777).toBe(0o700);
  });
});

test('a file or link with the name of a socket directory stays, since it may be that of another user', async () => {
  await withFiles({ 'data/x': '', 'tmp/x': '', 'elsewhere/x': '' }, async (dir) => {
    const [data, tmp] = [path.join(dir, 'data'), path.join(dir, 'tmp')];
    vi.stubEnv('TMPDIR', tmp);
    const current = await createSocketDirectory(data);
    const prefix = path.basename(current).slice(0, -6);
    await writeFile(path.join(tmp, `${prefix}file00`), '');
    await symlink(path.join(dir, 'elsewhere'), path.join(tmp, `${prefix}link00`));

    await removeOldSocketDirectories(data, current);

    await expect(readdir(tmp)).resolves.toHaveLength(4);
  });
});

test('without a directory for temporary files, the error names the variable to set', async () => {
  await withFiles({ 'data/x': '' }, async (dir) => {
    vi.stubEnv('TMPDIR', path.join(dir, 'missing'));

    const { kind, message, cause } = await failureOf(createSocketDirectory(path.join(dir, 'data')));
    expect([kind, cause]).toMatchObject(['unavailable', { code: 'ENOENT' }]);

    expect(message).toMatch(
      /socket cannot be created: ENOENT.*Set TMPDIR to a directory that this user may write to\.$/,
    );
  });
});
