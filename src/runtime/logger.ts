/** Where programs log; the shape of pino. Fields and messages hold no secrets. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Logs why a program failed: as an error, or for information where it was told to stop. */
export function logFailure(logger: Logger, stop: AbortSignal, fields: object, message: string): void {
  if (stop.aborted) logger.info(fields, message);
  else logger.error(fields, message);
}
