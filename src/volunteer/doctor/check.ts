/** The result of a check: `ok`; `warn`, where the next report is made and sent but something is missing; `FAIL`, where it is not. */
export interface Check {
  readonly status: 'ok' | 'warn' | 'FAIL';
  /** What was checked, in a word or two. */
  readonly name: string;
  /** The finding, and where it is not ok, what to do. */
  readonly message: string;
}

export function ok(name: string, message: string): Check {
  return { status: 'ok', name, message };
}

export function warn(name: string, message: string): Check {
  return { status: 'warn', name, message };
}

export function fail(name: string, message: string): Check {
  return { status: 'FAIL', name, message };
}
