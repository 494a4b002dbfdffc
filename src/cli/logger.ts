import { createRequire } from 'node:module';
import { pino } from 'pino';
import type { Logger } from '../runtime/logger.ts';
import type { Io } from './command.ts';
import { parseSwitch } from './values.ts';

/** Of every command that logs. */
export const VERBOSE_FLAG = {
  short: 'v',
  default: 'false',
  help: 'Logs more; without it the log holds no addresses of clients and no cluster ids.',
  parse: parseSwitch,
};

/** A logger on standard error: a line of JSON an event, or a readable line where a person looks at it. */
export function createLogger(io: Pick<Io, 'stderr'>, verbose: boolean): Logger {
  const options = { level: verbose ? 'debug' : 'info', base: null };
  if (io.stderr.isTTY !== true) return pino({ ...options, timestamp: pino.stdTimeFunctions.isoTime }, io.stderr);
  // Only where a person looks: a program in a pod need not load it.
  const pretty = createRequire(import.meta.url)('pino-pretty') as typeof import('pino-pretty');
  return pino(options, pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss', sync: true, destination: io.stderr }));
}
