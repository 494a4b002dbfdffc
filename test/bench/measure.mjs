// Loaded into a measured process (--import): prints its CPU time and peak memory at exit. Linux only.
// Without imports, because an import of node:process loads more of Node.js than some of the measured programs do.
const { process } = globalThis;
const { readFileSync, writeSync } = process.getBuiltinModule('node:fs');

process.on('exit', () => {
  const { userCPUTime, systemCPUTime } = process.resourceUsage();
  // Not maxRSS of getrusage(2): a new process inherits the memory of the one that has started it.
  const [, peakKiB] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  writeSync(
    2,
    `\nMEASURED ${JSON.stringify({ cpuSeconds: (userCPUTime + systemCPUTime) / 1e6, peakMiB: Number(peakKiB) / 1024 })}\n`,
  );
});
