import type { ErrorKind } from '../runtime/errors.ts';

/** Each has a counter and a metric. */
export const REPORT_COUNTERS = ['made', 'stored', 'rejected', 'dropped', 'corrupt'] as const;
export type ReportCounter = (typeof REPORT_COUNTERS)[number];

export interface Success {
  readonly at: Date;
  readonly outcome: 'stored' | 'duplicate';
}

export type Counters = ReturnType<typeof createCounters>;

export function createCounters() {
  const reports = new Map<ReportCounter, number>();
  const failures = new Map<string, { readonly during: string; readonly cause: ErrorKind; readonly count: number }>();
  let lastSuccess: Success | undefined;
  let failing: ErrorKind | undefined;
  let gatheringFailure: ErrorKind | undefined;
  const count = (counter: ReportCounter): number => reports.get(counter) ?? 0;
  return {
    add: (counter: ReportCounter, added = 1): void => {
      if (counter === 'made') gatheringFailure = undefined;
      reports.set(counter, count(counter) + added);
    },
    fail: (during: 'gathering' | 'delivery' | 'spool', cause: ErrorKind): void => {
      if (during === 'gathering') gatheringFailure = cause;
      const key = `${during} ${cause}`;
      failures.set(key, { during, cause, count: (failures.get(key)?.count ?? 0) + 1 });
    },
    /** A report is durable; `duplicate`: it was before, and its receipt was lost. */
    succeed: (at: Date, outcome: Success['outcome']): void => {
      lastSuccess = { at, outcome };
    },
    /** Sets why reports wait; undefined where the last delivery succeeded. */
    setFailing: (cause: ErrorKind | undefined): void => {
      failing = cause;
    },
    failing: () => failing,
    /** The cause of the last failure, where no report was made since. */
    gatheringFailure: () => gatheringFailure,
    count,
    failures: () => [...failures.values()],
    lastSuccess: () => lastSuccess,
  };
}
