/** `warn`: the next report is made and sent, but something is missing. `FAIL`: it is not made or not sent. */
export interface Check {
  readonly status: 'ok' | 'warn' | 'FAIL';
  readonly name: string;
  readonly message: string;
}

const createCheck =
  (status: Check['status']) =>
  (name: string, message: string): Check => ({ status, name, message });

export const ok = createCheck('ok');
export const warn = createCheck('warn');
export const fail = createCheck('FAIL');
