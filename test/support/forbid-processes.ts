import { ChildProcess } from 'node:child_process';
import process from 'node:process';

/**
 * Set-up of the unit tests: a child process or MongoDB's embedded engine that a test starts is an error. A test that needs one is an
 * integration test, and is named in vitest.config.ts.
 */
const HINT = 'a unit test must not start it: name the test file in INTEGRATION of vitest.config.ts';

// What every asynchronous function of node:child_process calls; it is not part of its types.
Object.defineProperty(ChildProcess.prototype, 'spawn', {
  configurable: true,
  value: ({ file }: { readonly file: string }) => {
    throw new Error(`${file} is a child process; ${HINT}`);
  },
});

// The set-up runs before each file, in a process that may have run others.
if (process.dlopen.name !== 'dlopenExceptEngine') {
  const dlopen = process.dlopen.bind(process);
  process.dlopen = function dlopenExceptEngine(module: object, filename: string, ...flags: [number?]): void {
    if (filename.includes('embedded-mongodb')) throw new Error(`${filename} is MongoDB's embedded engine; ${HINT}`);
    dlopen(module, filename, ...flags);
  };
}
