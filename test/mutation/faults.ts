import { CONSOLE_FAULTS } from './console-faults.ts';
import { DECODE_FAULTS } from './decode-faults.ts';
import { DELIVERY_FAULTS } from './delivery-faults.ts';
import type { Fault } from './fault.ts';
import { INGEST_FAULTS } from './ingest-faults.ts';
import { LEGACY_FAULTS } from './legacy-faults.ts';
import { RELEASE_FAULTS } from './release-faults.ts';
import { REPORT_FAULTS } from './report-faults.ts';
import { SERVE_FAULTS } from './serve-faults.ts';
import { STORE_FAULTS } from './store-faults.ts';
import { TRANSPORT_FAULTS } from './transport-faults.ts';

export const FAULTS: readonly Fault[] = [
  ...SERVE_FAULTS,
  ...DECODE_FAULTS,
  ...CONSOLE_FAULTS,
  ...RELEASE_FAULTS,
  ...INGEST_FAULTS,
  ...LEGACY_FAULTS,
  ...STORE_FAULTS,
  ...REPORT_FAULTS,
  ...DELIVERY_FAULTS,
  ...TRANSPORT_FAULTS,
];
