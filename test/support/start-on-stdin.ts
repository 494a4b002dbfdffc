import { once } from 'node:events';
import path from 'node:path';
import process from 'node:process';

/**
 * For `node --import`: loads the modules of a collector, and starts the program at the first byte on standard input. So a collector that is
 * prepared starts at once when the one before is killed. It exits when standard input ends, with the process that started it.
 */
const main = process.argv[1] ?? '';
const collector = main.endsWith('.ts') ? 'cli/collector.ts' : 'collector.js';
await Promise.all([import(path.resolve(path.dirname(main), collector)), import('mongodb')]);
process.stdin.once('end', () => process.exit(1));
await once(process.stdin, 'data');
process.stdin.pause();
process.stdin.unref();
