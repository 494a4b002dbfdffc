import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { collectGarbage } from './collect-garbage.ts';

/** For `node --import`: frees everything that nothing refers to at SIGUSR2, and then prints the memory that the process has in RAM, in bytes. */
process.on('SIGUSR2', () => {
  collectGarbage();
  // Memory of buffers is given back to the system by another thread.
  void sleep(10).then(() => process.stderr.write(`\n{"residentBytes":${process.memoryUsage.rss()}}\n`));
});
