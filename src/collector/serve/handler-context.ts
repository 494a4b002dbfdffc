import type { Logger } from '../../runtime/logger.ts';
import type { Ingest } from '../ingest/ingest.ts';
import type { Admission } from './admission/admission.ts';
import type { Limits } from './admission/limits.ts';
import type { MemoryLimiter } from './admission/memory-limiter.ts';
import type { OnRejection } from './console/rejections.ts';
import type { LargeDecoder } from './decode/large-decoder.ts';
import type { HealthState } from './rpc/health-service.ts';

/** Shared by the handlers of the collector's port. */
export interface HandlerContext {
  readonly ingest: Ingest;
  readonly admission: Admission;
  readonly memory: MemoryLimiter;
  readonly decoder: LargeDecoder;
  readonly limits: Limits;
  readonly health: HealthState;
  /** The body of GET /version, such as "v2.0.0". */
  readonly version: string;
  /** Absent where clients may choose. */
  readonly nextReportAfterMs?: number;
  readonly keepCountry: boolean;
  readonly onRejection: OnRejection;
  /** Aborted when the collector stops. */
  readonly stopping: AbortSignal;
  readonly logger: Logger;
}
