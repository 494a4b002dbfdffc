import { DELIVERY_FAULTS } from './delivery-faults.ts';
import type { Fault } from './fault.ts';
import { INGEST_FAULTS } from './ingest-faults.ts';
import { REPORT_FAULTS } from './report-faults.ts';
import { SERVE_FAULTS } from './serve-faults.ts';

export const FAULTS: readonly Fault[] = [...SERVE_FAULTS, ...INGEST_FAULTS, ...REPORT_FAULTS, ...DELIVERY_FAULTS];
