import type { Logger } from '../../runtime/logger.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { Admission } from './admission/admission.ts';
import type { Limits } from './admission/limits.ts';
import type { MemoryLimiter } from './admission/memory-limiter.ts';
import type { OnRejection } from './console/rejections.ts';
import type { HealthState } from './rpc/health-service.ts';

/** What the handlers of the collector's port share. */
export interface HandlerContext {
  readonly ingest: Ingest;
  readonly admission: Admission;
  readonly memory: MemoryLimiter;
  readonly limits: Limits;
  readonly health: HealthState;
  /** The body of GET /version, such as "v2.0.0". */
  readonly version: string;
  /** How long clients should wait between two reports, in milliseconds; absent where they may choose. */
  readonly nextReportAfterMs?: number;
  /** See KubermaticOptions. */
  readonly keepCountry: boolean;
  readonly onRejection: OnRejection;
  /** Aborted when the collector stops. */
  readonly stopping: AbortSignal;
  readonly logger: Logger;
}
