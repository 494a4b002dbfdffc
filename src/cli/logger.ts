import { inspect } from 'node:util';
import type { Logger } from '../runtime/logger.ts';
import type { Output } from './help.ts';

/** A logger on standard error: one line of JSON per event, or readable text on a terminal. */
export async function createLogger({ stderr }: { readonly stderr: Output }, verbose: boolean): Promise<Logger> {
  const output = stderr.isTTY === true ? await openPretty(stderr) : stderr;
  const logAs =
    (level: string): Logger['info'] =>
    (fields, msg) =>
      void output.write(encode({ level, time: new Date().toISOString(), ...fields, msg }));
  const debug = verbose ? logAs('debug') : () => undefined;
  return { debug, info: logAs('info'), warn: logAs('warn'), error: logAs('error') };
}

function encode(event: object): string {
  try {
    return `${JSON.stringify(event, describe)}\n`;
  } catch {
    // Circular objects, in the errors of libraries.
    return `${JSON.stringify({ ...event, err: inspect(event) })}\n`;
  }
}

function describe(_key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return String(value);
  if (!(value instanceof Error)) return value;
  const { name: type, message, stack, cause } = value;
  return Object.assign({ type, message, stack, cause }, value);
}

/** Loaded on a terminal only, to save memory. */
async function openPretty(destination: Output): Promise<Pick<Output, 'write'>> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ colorize: true, translateTime: 'SYS:HH:MM:ss', sync: true, destination });
}
