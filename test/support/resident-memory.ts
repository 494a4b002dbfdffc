import { readFile } from 'node:fs/promises';

/** The memory that a process has in RAM, in MiB. Linux only. */
export async function residentMiB(pid: number | undefined): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

/** Resolves with the most memory that a process had in RAM until `work` resolved, in MiB, read every 20 ms. */
export async function peakResidentMiB(pid: number | undefined, work: () => Promise<unknown>): Promise<number> {
  let most = await residentMiB(pid);
  const timer = setInterval(() => void residentMiB(pid).then((now) => (most = Math.max(most, now))), 20);
  try {
    await work();
  } finally {
    clearInterval(timer);
  }
  return Math.max(most, await residentMiB(pid));
}
