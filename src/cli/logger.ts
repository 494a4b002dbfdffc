import { createRequire } from 'node:module';
import { pino } from 'pino';
import type { Logger } from '../runtime/logger.ts';
import type { Output } from './help.ts';

/** A logger on standard error: one line of JSON per event, or readable text on a terminal. */
export function createLogger({ stderr }: { readonly stderr: Output }, verbose: boolean): Logger {
  const formatters = { level: (label: string) => ({ level: label }) };
  const options = { level: verbose ? 'debug' : 'info', base: null, formatters };
  if (stderr.isTTY !== true) return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, stderr);
  // Loaded on a terminal only, to save memory.
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return pino(options, pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss', sync: true, destination: stderr }));
}
