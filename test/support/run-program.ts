import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Io } from '../../src/cli/command.ts';
import type { Said } from './run-command.ts';

/** Runs a program in this process, in an environment of its own, to its end. */
export async function runIn(
  program: (argv: readonly string[], io: Io) => Promise<number>,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Said> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  const code = await program(argv, { stdout, stderr, env, stop: new AbortController().signal });
  stdout.end();
  stderr.end();
  const [out, err] = await said;
  return { code, stdout: out, stderr: err };
}
