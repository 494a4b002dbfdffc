import type { Protocol } from '../../../report/request-origin.ts';
import { messageOf } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { kindOf } from '../error-status.ts';
import type { Metrics } from './metrics.ts';

export type OnRejection = (protocol: Protocol, thrown: unknown) => void;

interface RejectionsOptions {
  readonly metrics: Pick<Metrics, 'countRejection'>;
  readonly logger: Logger;
  /** Whether error messages are logged; they may quote a report. */
  readonly verbose: boolean;
}

export function createRejections({ metrics, logger, verbose }: RejectionsOptions): OnRejection {
  return (protocol, thrown) => {
    const kind = kindOf(thrown);
    metrics.countRejection(protocol, kind);
    if (kind === 'internal') logger.error({ protocol, err: thrown }, 'a request failed');
    else logger.info({ protocol, ...(verbose ? { reason: messageOf(thrown) } : {}) }, `rejected: ${kind}`);
  };
}
