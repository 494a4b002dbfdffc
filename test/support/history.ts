import type { Report } from '../../gen/spartakus/report/v1/report_pb.js';

/** What a client heard of a report that counts as stored; plain HTTP does not tell the two apart. */
export type Acknowledgement = 'stored' | 'duplicate' | 'stored or duplicate';

/** What clients sent, and what they heard of it, to be held against what is stored. */
export interface History {
  /** Notes a report that is about to be sent, and answers whom to tell what was heard of it. */
  send(report: Report): (heard: Acknowledgement) => void;
  readonly counts: { readonly reports: number; readonly acknowledged: number; readonly attempts: number };
  /**
   * What is wrong, a line each. Every report that was acknowledged is stored, once; what is stored was sent; and of one report "stored" is
   * said once at most, and not where it was acknowledged before, for that would mean that it was gone in between.
   */
  violations(stored: readonly { readonly _id: string; readonly clusterID?: unknown }[]): readonly string[];
}

export function createHistory(): History {
  const reports = new Map<string, { readonly clusterId: string; readonly heard: Acknowledgement[] }>();
  const wrong: string[] = [];
  let attempts = 0;
  return {
    send: ({ reportId, clusterId }) => {
      const report = reports.get(reportId) ?? { clusterId, heard: [] };
      const { heard } = report;
      const before = heard.length;
      reports.set(reportId, report);
      attempts += 1;
      return (how) => {
        if (how === 'stored' && (before > 0 || heard.includes('stored')))
          wrong.push(`${reportId} was stored again: ${heard.join(', ')}`);
        heard.push(how);
      };
    },
    get counts() {
      return {
        reports: reports.size,
        acknowledged: [...reports.values()].filter(({ heard }) => heard.length > 0).length,
        attempts,
      };
    },
    violations: (stored) => {
      const ids = new Set(stored.map(({ _id }) => _id));
      const lost = [...reports].filter(([id, { heard }]) => heard.length > 0 && !ids.has(id));
      const strange = stored.filter(({ _id, clusterID }) => reports.get(_id)?.clusterId !== clusterID);
      return [
        ...wrong,
        ...lost.map(([id, { heard }]) => `${id} is not stored, and was acknowledged: ${heard.join(', ')}`),
        ...strange.map(({ _id }) => `${_id} is stored, and was not sent so`),
      ];
    },
  };
}
