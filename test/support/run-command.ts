import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { Command, Input } from '../../src/cli/command.ts';

/** The exit code and the output of a command. */
export interface Said {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command in this process, in an environment of its own, to its end. */
export async function runCommand(
  command: Command,
  argv: readonly string[],
  env: NodeJS.ProcessEnv = {},
  openInput?: () => Input,
): Promise<Said> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const said = Promise.all([text(stdout), text(stderr)]);
  const code = await command.run(argv, {
    env: { HOME: '/nonexistent', ...env },
    stdout,
    stderr,
    openInput,
    stop: new AbortController().signal,
  });
  stdout.end();
  stderr.end();
  const [out, err] = await said;
  return { code, stdout: out, stderr: err };
}
