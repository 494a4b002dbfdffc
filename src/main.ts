#!/usr/bin/env node
import process from 'node:process';
import manifest from '../package.json' with { type: 'json' };
import { findNodeProblem } from './cli/node-version.ts';

let abandoned = false;
const problem = findNodeProblem(process.versions.node, manifest.engines.node);
if (problem === undefined) {
  // Before the program is loaded: as PID 1 of a container, a process without a handler does not receive the signal.
  const stop = stopSignal();
  // An older Node.js cannot load the program.
  const { runProgram } = await import('./cli/program.ts');
  const { stdout, stderr, env } = process;
  // A pipe may be closed (`| head`).
  stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  end(
    await runProgram(process.argv.slice(2), {
      stdout,
      stderr,
      env,
      openInput: () => process.stdin,
      stop,
      abandon: () => (abandoned = true),
    }),
  );
}
process.stderr.write(`${problem}\n`);
process.exit(1);

/** Aborted by SIGTERM or SIGINT. Repeated signals are ignored, because npm forwards a Ctrl-C that the terminal has sent too. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}

/**
 * Node.js waits for the operations on files that still run before it exits, and on a disk that does not respond none ends. Only another
 * program in its place ends them.
 */
function end(code: number): never {
  if (abandoned || process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq')))
    process.execve?.(process.execPath, [process.execPath, '--eval', `process.exit(${code})`], {});
  process.exit(code);
}
