import type { JsonValue } from '@bufbuild/protobuf';
import type { Submission } from '../../report/report-sink.ts';
import { isCoreosReport, readCoreosReport } from './coreos.ts';
import { isKubermaticReport, type KubermaticOptions, readKubermaticReport } from './kubermatic.ts';
import { readSpartakusReport } from './spartakus.ts';

export const LEGACY_PATHS = ['/api/v1', '/api/coreos/v1', '/api/kubermatic/v1'] as const;
export type LegacyPath = (typeof LEGACY_PATHS)[number];

export interface LegacyBody {
  readonly dialect: 'spartakus' | 'coreos' | 'kubermatic';
  readonly entries: readonly Submission[];
  readonly country?: string | undefined;
  /** Dropped from the body. */
  readonly unknownFields?: number | undefined;
}

/**
 * Reads the body of a request to the legacy API. /api/v1 detects the dialect.
 *
 * @throws SpartakusError `invalid` with the path of the invalid field
 */
export function readLegacyBody(path: LegacyPath, json: JsonValue, options: KubermaticOptions): LegacyBody {
  if (path === '/api/coreos/v1' || (path === '/api/v1' && isCoreosReport(json)))
    return { dialect: 'coreos', entries: [{ report: readCoreosReport(json) }] };
  if (path === '/api/kubermatic/v1' || isKubermaticReport(json))
    return { dialect: 'kubermatic', ...readKubermaticReport(json, options) };
  let unknownFields = 0;
  const report = readSpartakusReport(json, () => (unknownFields += 1));
  return { dialect: 'spartakus', entries: [{ report }], unknownFields };
}
