import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { CURRENT_SCHEMA_VERSION } from '../../../src/report/schema-version.ts';
import { readAgreedVersion, SCHEMA_VERSION_FILE } from '../../../src/volunteer/gather/agreed-version.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';

const kept = (dir: string) => readFile(path.join(dir, SCHEMA_VERSION_FILE), 'utf8');

test('the first release that is installed keeps its version, in a directory that it makes', async () => {
  await withFiles({}, async (dir) => {
    const spool = path.join(dir, 'a', 'spool');

    await expect(readAgreedVersion(undefined, spool, { keep: true })).resolves.toBe(CURRENT_SCHEMA_VERSION);
    await expect(kept(spool)).resolves.toBe(`${CURRENT_SCHEMA_VERSION}\n`);
  });
});

test('a release that is installed over an older one sends no field that is newer than the older one had', async () => {
  await withFiles({ [SCHEMA_VERSION_FILE]: '1\n' }, async (dir) => {
    await expect(readAgreedVersion(undefined, dir, { keep: true })).resolves.toBe(1);
    await expect(kept(dir)).resolves.toBe('1\n');
  });
});

test('what the administrator says counts before what was kept, and is not kept itself', async () => {
  await withFiles({ [SCHEMA_VERSION_FILE]: '1\n' }, async (dir) => {
    await expect(readAgreedVersion(2, dir, { keep: true })).resolves.toBe(2);
    await expect(kept(dir)).resolves.toBe('1\n');
  });
});

test('whoever only looks keeps nothing', async () => {
  await withFiles({}, async (dir) => {
    await expect(readAgreedVersion(undefined, dir, { keep: false })).resolves.toBe(CURRENT_SCHEMA_VERSION);
    await expect(kept(dir)).rejects.toThrow('ENOENT');
  });
});

test('without a directory it is the newest', async () => {
  await expect(readAgreedVersion(undefined, undefined, { keep: true })).resolves.toBe(CURRENT_SCHEMA_VERSION);
});

test.each(['', 'two', '0', '2 3'])(
  'a file that holds %j is an error that names it, and nothing is guessed',
  async (content) => {
    await withFiles({ [SCHEMA_VERSION_FILE]: content }, async (dir) => {
      const error = await failureOf(readAgreedVersion(undefined, dir, { keep: true }));

      expect(error).toMatchObject({ kind: 'invalid', field: '--schema-version' });
      expect(error.message).toContain(`${path.join(dir, SCHEMA_VERSION_FILE)}: `);
    });
  },
);

test('a directory that cannot be written is a warning', async () => {
  await withFiles({ file: '' }, async (dir) => {
    const warnings: string[] = [];
    const say = () => undefined;
    const logger = {
      debug: say,
      info: say,
      error: say,
      warn: (_: object, message: string) => void warnings.push(message),
    };

    // A file stands where the directory should be made.
    await expect(readAgreedVersion(undefined, path.join(dir, 'file', 'spool'), { keep: true, logger })).resolves.toBe(
      CURRENT_SCHEMA_VERSION,
    );

    expect(warnings).toStrictEqual([expect.stringContaining('cannot be kept')]);
  });
});
