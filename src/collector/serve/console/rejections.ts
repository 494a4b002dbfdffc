import { Code, ConnectError } from '@connectrpc/connect';
import { type ErrorKind, messageOf, SpartakusError } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import type { Protocol } from '../../ingest/hooks.ts';

/** Told of each answer that is a no: over which protocol, and what was thrown. */
export type OnRefusal = (protocol: Protocol, thrown: unknown) => void;

export interface RefusalsOptions {
  /** Who counts. */
  readonly count: (protocol: Protocol, kind: ErrorKind) => void;
  /** One that a flood cannot fill: see createQuietLogger. */
  readonly logger: Logger;
  /** Whether the log may quote what clients sent. */
  readonly verbose: boolean;
}

/** By code, for errors that Connect makes itself; RESOURCE_EXHAUSTED is its word for a message over the limit. */
const KIND_BY_CODE: Partial<Readonly<Record<Code, ErrorKind>>> = {
  [Code.InvalidArgument]: 'invalid',
  [Code.DeadlineExceeded]: 'unavailable',
  [Code.NotFound]: 'not-found',
  [Code.PermissionDenied]: 'forbidden',
  [Code.ResourceExhausted]: 'too-large',
  [Code.Unimplemented]: 'not-found',
  [Code.Unavailable]: 'unavailable',
  [Code.Unauthenticated]: 'unauthenticated',
};

/**
 * Counts refusals, and logs them: an error of ours with all that is known, anything else by its kind alone. What was wrong with a
 * report is for its sender; a message may quote the report, and so it is logged only where the operator asks for that.
 */
export function createRefusals({ count, logger, verbose }: RefusalsOptions): OnRefusal {
  return (protocol, thrown) => {
    const kind = kindOf(thrown);
    count(protocol, kind);
    if (kind === 'internal') logger.error({ protocol, err: thrown }, 'a request failed');
    else logger.info({ protocol, ...(verbose ? { reason: messageOf(thrown) } : {}) }, `refused: ${kind}`);
  };
}

function kindOf(thrown: unknown): ErrorKind {
  if (!(thrown instanceof ConnectError)) return SpartakusError.from(thrown).kind;
  return thrown.cause instanceof SpartakusError ? thrown.cause.kind : (KIND_BY_CODE[thrown.code] ?? 'internal');
}
