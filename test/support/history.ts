import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';

/** The outcome of a report that counts as stored; the legacy JSON API does not tell the two apart. */
export type Acknowledgement = 'stored' | 'duplicate' | 'stored or duplicate';

export interface StoredReport {
  readonly _id: string;
  readonly clusterID?: unknown;
}

/** The reports that clients sent with the outcomes that they received, to be compared with the stored reports. */
export interface History {
  /** Records a report that is about to be sent, and returns the function that records its acknowledgement. */
  send(report: Report): (acknowledgement: Acknowledgement) => void;
  readonly counts: { readonly reports: number; readonly acknowledged: number; readonly attempts: number };
  /**
   * The violations, a line each. Every acknowledged report is stored, once; every stored report was sent; and a report is acknowledged as
   * "stored" once at most, and not after an earlier acknowledgement, because that means that it was lost in between.
   */
  violations(stored: readonly StoredReport[]): readonly string[];
}

/** The result of `checkStoredOnce` without an error. */
export const STORED_ONCE = { violations: [], acknowledged: true, stored: true };

/** Whether each report of a finished load is acknowledged and stored once; the counts also fail a test in which nothing was sent. */
export function checkStoredOnce(history: History, stored: readonly StoredReport[]): unknown {
  const { reports, acknowledged } = history.counts;
  return {
    violations: history.violations(stored),
    acknowledged: reports > 0 && acknowledged === reports,
    stored: stored.length === reports,
  };
}

export function createHistory(): History {
  const reports = new Map<string, { readonly clusterId: string; readonly acknowledgements: Acknowledgement[] }>();
  const storedAgain: string[] = [];
  let attempts = 0;
  let acknowledged = 0;
  return {
    send: ({ reportId, clusterId }) => {
      const report = reports.get(reportId) ?? { clusterId, acknowledgements: [] };
      const { acknowledgements } = report;
      const before = acknowledgements.length;
      reports.set(reportId, report);
      attempts += 1;
      return (acknowledgement) => {
        if (acknowledgement === 'stored' && (before > 0 || acknowledgements.includes('stored')))
          storedAgain.push(`${reportId} was stored again: ${acknowledgements.join(', ')}`);
        if (acknowledgements.length === 0) acknowledged += 1;
        acknowledgements.push(acknowledgement);
      };
    },
    get counts() {
      return { reports: reports.size, acknowledged, attempts };
    },
    violations: (stored) => {
      const ids = new Set(stored.map(({ _id }) => _id));
      const lost = [...reports].filter(([id, { acknowledgements }]) => acknowledgements.length > 0 && !ids.has(id));
      const neverSent = stored.filter(({ _id, clusterID }) => reports.get(_id)?.clusterId !== clusterID);
      return [
        ...storedAgain,
        ...lost.map(
          ([id, { acknowledgements }]) => `${id} is not stored, but acknowledged: ${acknowledgements.join(', ')}`,
        ),
        ...neverSent.map(({ _id }) => `${_id} is stored, but was not sent with this content`),
      ];
    },
  };
}
