import type { Logger } from '../../src/runtime/logger.ts';

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly fields: object;
  readonly message: string;
}

/** A logger that keeps its lines. */
export interface KeptLog {
  readonly logger: Logger;
  readonly lines: readonly Line[];
  /** The messages of these levels, in order; of all levels but debug where none is given. */
  messages(...levels: readonly Line['level'][]): readonly string[];
}

export function createKeptLog(): KeptLog {
  const lines: Line[] = [];
  const write = (level: Line['level']) => (fields: object, message: string) =>
    void lines.push({ level, fields, message });
  return {
    logger: { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') },
    lines,
    messages: (...levels) =>
      lines
        .filter(({ level }) => (levels.length === 0 ? level !== 'debug' : levels.includes(level)))
        .map(({ message }) => message),
  };
}
