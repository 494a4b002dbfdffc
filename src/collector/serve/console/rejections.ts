import type { Protocol } from '../../../report/request-origin.ts';
import { type ErrorKind, messageOf } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { kindOf, ERROR_STATUS } from '../error-status.ts';

/** Called with each error that is answered, as it was thrown. */
export type OnRejection = (protocol: Protocol, thrown: unknown) => void;

export interface RejectionsOptions {
  readonly count: (protocol: Protocol, kind: ErrorKind) => void;
  readonly logger: Logger;
  /** Whether the log may quote what clients sent. */
  readonly verbose: boolean;
}

/** Counts and logs rejections. Error messages may quote a report, so they are logged only where the operator asks for it. */
export function createRejections({ count, logger, verbose }: RejectionsOptions): OnRejection {
  return (protocol, thrown) => {
    const kind = kindOf(thrown);
    count(protocol, kind);
    if (ERROR_STATUS[kind].logLevel === 'error') logger.error({ protocol, err: thrown }, 'a request failed');
    else logger.info({ protocol, ...(verbose ? { reason: messageOf(thrown) } : {}) }, `rejected: ${kind}`);
  };
}
