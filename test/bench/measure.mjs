// Loaded into a measured process (--import): prints its CPU time and peak memory at exit. Linux only.
import { readFileSync, writeSync } from 'node:fs';
import process from 'node:process';

process.on('exit', () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  // Not maxRSS of getrusage(2): a new process inherits the memory of the one that has started it.
  const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  writeSync(
    2,
    `\nMEASURED ${JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMiB: Number(peakKiB) / 1024 })}\n`,
  );
});
