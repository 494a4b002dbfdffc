/** Logs an event. Fields and messages must not contain secrets. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Logs a failure as an error, or as info while the program stops. */
export function logFailure(logger: Logger, stop: AbortSignal, fields: object, message: string): void {
  if (stop.aborted) logger.info(fields, message);
  else logger.error(fields, message);
}
