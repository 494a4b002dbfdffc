import type { ErrorKind } from '../runtime/errors.ts';

/** What is counted of reports: one counter each, and one metric each. */
export const REPORT_COUNTERS = ['made', 'stored', 'rejected', 'dropped', 'corrupt'] as const;
export type ReportCounter = (typeof REPORT_COUNTERS)[number];

type Operation = 'gathering' | 'delivery' | 'spool';

/** The counters of a volunteer since its start, for its metrics. */
export type Counters = ReturnType<typeof createCounters>;

export function createCounters() {
  const reports = new Map<ReportCounter, number>();
  const failures = new Map<string, { readonly during: Operation; readonly cause: ErrorKind; readonly count: number }>();
  let lastSuccess: Date | undefined;
  const count = (counter: ReportCounter): number => reports.get(counter) ?? 0;
  return {
    add: (counter: ReportCounter, added = 1): void => void reports.set(counter, count(counter) + added),
    /** Counts a failure of an operation. */
    fail: (during: Operation, cause: ErrorKind): void => {
      const key = `${during} ${cause}`;
      failures.set(key, { during, cause, count: (failures.get(key)?.count ?? 0) + 1 });
    },
    /** Sets the time of the last successful delivery. */
    succeed: (now: Date): void => {
      lastSuccess = now;
    },
    count,
    failures: () => [...failures.values()],
    lastSuccess: () => lastSuccess,
  };
}
