import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/logger.ts';

interface RateLimitedLoggerOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Whether debug lines are written and counted. */
  readonly verbose: boolean;
  /** Upon abort, a pending summary is written at once. */
  readonly stop: AbortSignal;
}

type Level = keyof Logger;
const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error'];

const INTERVAL_MS = 1_000;

/**
 * A logger for events that clients cause, with at most one line per second. The first line is written as it is; those of the following
 * second are summarised in one: that of the highest level, with the number of others by message. So messages must be fixed texts.
 */
export function createRateLimitedLogger({ logger, clock, verbose, stop }: RateLimitedLoggerOptions): Logger {
  let lastLineMs = Number.NEGATIVE_INFINITY;
  let worst: { readonly level: Level; readonly fields: object; readonly message: string } | undefined;
  let counts = new Map<string, number>();

  const summarise = async (waitMs: number): Promise<void> => {
    await clock.sleep(waitMs, stop);
    if (worst === undefined) return;
    const { level, fields, message } = worst;
    const more = [...counts.values()].reduce((sum, count) => sum + count, 0) - 1;
    const byMessage = Object.fromEntries(counts);
    worst = undefined;
    counts = new Map();
    lastLineMs = clock.now().getTime();
    if (more === 0) logger[level](fields, message);
    else
      logger[level](
        { ...fields, inTheLastSecond: byMessage },
        `${message}, and ${more.toLocaleString('en')} more in the last second`,
      );
  };

  const write = (level: Level, fields: object, message: string): void => {
    if (level === 'debug' && !verbose) return;
    const sinceMs = clock.now().getTime() - lastLineMs;
    // Negative where the clock was set back, which must not silence the log.
    if (worst === undefined && (sinceMs >= INTERVAL_MS || sinceMs < 0)) {
      lastLineMs = clock.now().getTime();
      logger[level](fields, message);
      return;
    }
    const isFirst = worst === undefined;
    if (worst === undefined || LEVELS.indexOf(level) > LEVELS.indexOf(worst.level)) worst = { level, fields, message };
    counts.set(message, (counts.get(message) ?? 0) + 1);
    if (isFirst) void summarise(INTERVAL_MS - sinceMs);
  };

  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  };
}
