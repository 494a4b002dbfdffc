import { once } from 'node:events';
import process from 'node:process';

/**
 * For `node --import`: loads the modules of a collector, and starts the program at the first byte on standard input. So a collector that is
 * prepared starts at once when the one before is killed. It exits when standard input ends, with the process that started it.
 */
await Promise.all([import('../../src/cli/collector.ts'), import('mongodb')]);
process.stdin.once('end', () => process.exit(1));
await once(process.stdin, 'data');
process.stdin.pause();
process.stdin.unref();
