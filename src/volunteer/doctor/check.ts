/** The result of a check: `ok`; `warn`, where the next report is made and sent but something is missing; `FAIL`, where it is not. */
export interface Check {
  readonly status: 'ok' | 'warn' | 'FAIL';
  /** The subject, in a word or two. */
  readonly name: string;
  /** The finding, and where it is not ok, what to do. */
  readonly message: string;
}

const createCheck =
  (status: Check['status']) =>
  (name: string, message: string): Check => ({ status, name, message });

export const ok = createCheck('ok');
export const warn = createCheck('warn');
export const fail = createCheck('FAIL');
