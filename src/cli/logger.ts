import { createRequire } from 'node:module';
import { pino } from 'pino';
import type { Logger } from '../runtime/logger.ts';
import type { Output } from './help.ts';

/** A logger on standard error: one line of JSON per event, or readable text on a terminal. */
export function createLogger({ stderr }: { readonly stderr: Output }, verbose: boolean): Logger {
  const options = {
    level: verbose ? 'debug' : 'info',
    base: null,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  if (stderr.isTTY !== true) return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, stderr);
  // Loaded on a terminal only: a program in a pod saves the memory.
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return pino(options, pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss', sync: true, destination: stderr }));
}
