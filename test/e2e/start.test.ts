import { execFileSync } from 'node:child_process';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { launchCollector } from '../support/collector-program.ts';
import { withFiles } from '../support/files.ts';
import type { Program } from '../support/program.ts';

/** Runs a collector that reads a file of which no operation ever ends, as on a disk that does not respond. */
async function withHangingFile(
  args: readonly string[],
  use: (program: Program, file: string) => Promise<void>,
): Promise<void> {
  await withFiles({}, async (dir) => {
    const file = path.join(dir, 'fifo');
    execFileSync('mkfifo', [file]);
    const program = launchCollector([`--ingest-tokens-file=${file}`, '--database=stdout', ...args]);
    try {
      await use(program, file);
    } finally {
      program.process.kill('SIGKILL');
    }
  });
}

/** Resolves once a process has opened a FIFO, with the other end of it, of which the process reads nothing until it is closed. */
function untilOpened(file: string): Promise<FileHandle> {
  // Without a reader this fails with ENXIO.
  return vi.waitFor(() => open(file, constants.O_WRONLY | constants.O_NONBLOCK), { timeout: 20_000, interval: 20 });
}

test('a start on a disk that does not respond ends at its deadline, with one line and code 1', async () => {
  await withHangingFile(['--start-timeout=200ms'], async ({ ended }) => {
    await expect(ended).resolves.toStrictEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        /^spartakus collector: the start did not end within 200 ms \(--start-timeout\) while it waited for the files of [^\n]+\n$/,
      ) as string,
    });
  });
});

test('SIGTERM during a start that hangs is obeyed at once', async () => {
  await withHangingFile(['--verbose', '--start-timeout=1h'], async ({ process, ended }, file) => {
    const handle = await untilOpened(file);
    process.kill('SIGTERM');

    const { code, stderr } = await ended;
    await handle.close();
    expect([code, stderr]).toStrictEqual([
      0,
      expect.stringContaining('The collector was stopped before it had started.'),
    ]);
  });
});

test.runIf(process.platform === 'linux')('a directory that cannot be made is one line of an error', async () => {
  const { ended } = launchCollector(['--database=embedded:/proc/spartakus/data']);

  await expect(ended).resolves.toStrictEqual({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      /^spartakus collector: --database embedded:\/proc\/spartakus\/data: [^\n]*ENOENT[^\n]*\n$/,
    ) as string,
  });
});
