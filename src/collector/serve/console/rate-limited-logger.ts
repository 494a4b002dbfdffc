import type { Clock } from '../../../runtime/clock.ts';
import type { Logger } from '../../../runtime/logger.ts';

export interface QuietLoggerOptions {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Whether debug lines are written at all; where not, they are not counted either. */
  readonly verbose: boolean;
  /** What is left to say is said at once then. */
  readonly stop: AbortSignal;
}

type Level = keyof Logger;
const LEVELS: readonly Level[] = ['debug', 'info', 'warn', 'error'];

/** At most one line in this time. */
const EVERY_MS = 1_000;

/**
 * A logger for what clients can cause, and so can cause without end: it writes at most one line a second. The first is written as it
 * is. What comes within the second after it is one line at that second's end: its worst, with how many more there were, by message.
 * So messages are a few fixed texts; what differs is in the fields.
 */
export function createQuietLogger({ logger, clock, verbose, stop }: QuietLoggerOptions): Logger {
  let lastLineMs = Number.NEGATIVE_INFINITY;
  let worst: { readonly level: Level; readonly fields: object; readonly message: string } | undefined;
  let counts = new Map<string, number>();

  const sumUp = async (waitMs: number): Promise<void> => {
    await clock.sleep(waitMs, stop);
    if (worst === undefined) return;
    const { level, fields, message } = worst;
    const more = [...counts.values()].reduce((sum, count) => sum + count, 0) - 1;
    const leftOut = Object.fromEntries(counts);
    worst = undefined;
    counts = new Map();
    lastLineMs = clock.now().getTime();
    if (more === 0) logger[level](fields, message);
    else
      logger[level](
        { ...fields, inTheLastSecond: leftOut },
        `${message}, and ${more.toLocaleString('en')} more in the last second`,
      );
  };

  const write = (level: Level, fields: object, message: string): void => {
    if (level === 'debug' && !verbose) return;
    const sinceMs = clock.now().getTime() - lastLineMs;
    // A clock that was set back must not silence the log.
    if (worst === undefined && (sinceMs >= EVERY_MS || sinceMs < 0)) {
      lastLineMs = clock.now().getTime();
      logger[level](fields, message);
      return;
    }
    const isFirst = worst === undefined;
    if (worst === undefined || LEVELS.indexOf(level) > LEVELS.indexOf(worst.level)) worst = { level, fields, message };
    counts.set(message, (counts.get(message) ?? 0) + 1);
    if (isFirst) void sumUp(EVERY_MS - sinceMs);
  };

  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
  };
}
