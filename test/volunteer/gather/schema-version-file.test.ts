import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CURRENT_SCHEMA_VERSION } from '../../../src/report/schema-version.ts';
import { readSchemaVersion, SCHEMA_VERSION_FILE } from '../../../src/volunteer/gather/schema-version-file.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';

const readStored = (dir: string) => readFile(path.join(dir, SCHEMA_VERSION_FILE), 'utf8');

test('the first release writes its version, and creates the directory', async () => {
  await withFiles({}, async (dir) => {
    const spool = path.join(dir, 'a', 'spool');

    await expect(readSchemaVersion(undefined, spool, { keep: true })).resolves.toBe(CURRENT_SCHEMA_VERSION);
    await expect(readStored(spool)).resolves.toBe(`${CURRENT_SCHEMA_VERSION}\n`);
  });
});

test('after an upgrade the version of the older release is used', async () => {
  await withFiles({ [SCHEMA_VERSION_FILE]: '1\n' }, async (dir) => {
    await expect(readSchemaVersion(undefined, dir, { keep: true })).resolves.toBe(1);
    await expect(readStored(dir)).resolves.toBe('1\n');
  });
});

test('the configured version takes precedence over the file, and is not written to it', async () => {
  await withFiles({ [SCHEMA_VERSION_FILE]: '1\n' }, async (dir) => {
    await expect(readSchemaVersion(2, dir, { keep: true })).resolves.toBe(2);
    await expect(readStored(dir)).resolves.toBe('1\n');
  });
});

test('without `keep` nothing is written', async () => {
  await withFiles({}, async (dir) => {
    await expect(readSchemaVersion(undefined, dir, { keep: false })).resolves.toBe(CURRENT_SCHEMA_VERSION);
    await expect(readStored(dir)).rejects.toThrow('ENOENT');
  });
});

test('without a directory the version is the newest', async () => {
  await expect(readSchemaVersion(undefined, undefined, { keep: true })).resolves.toBe(CURRENT_SCHEMA_VERSION);
});

test.each(['', 'two', '0', '2 3'])('a file with the content %j is an error that names the file', async (content) => {
  await withFiles({ [SCHEMA_VERSION_FILE]: content }, async (dir) => {
    const error = await failureOf(readSchemaVersion(undefined, dir, { keep: true }));

    expect(error).toMatchObject({ kind: 'invalid', field: '--schema-version' });
    expect(error.message).toContain(`${path.join(dir, SCHEMA_VERSION_FILE)}: `);
  });
});

test('a directory that cannot be written is a warning', async () => {
  await withFiles({ file: '' }, async (dir) => {
    const warnings: string[] = [];
    const ignore = () => undefined;
    const logger = {
      debug: ignore,
      info: ignore,
      error: ignore,
      warn: (_: object, message: string) => void warnings.push(message),
    };

    // The parent of the directory is a file.
    await expect(readSchemaVersion(undefined, path.join(dir, 'file', 'spool'), { keep: true, logger })).resolves.toBe(
      CURRENT_SCHEMA_VERSION,
    );

    expect(warnings).toStrictEqual([expect.stringContaining('cannot be kept')]);
  });
});
