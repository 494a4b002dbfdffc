import type { ErrorKind } from '../runtime/errors.ts';

/** Each has a counter and a metric. */
export const REPORT_COUNTERS = ['made', 'stored', 'rejected', 'dropped', 'corrupt'] as const;
export type ReportCounter = (typeof REPORT_COUNTERS)[number];

export type Counters = ReturnType<typeof createCounters>;

export function createCounters() {
  const reports = new Map<ReportCounter, number>();
  const failures = new Map<string, { readonly during: string; readonly cause: ErrorKind; readonly count: number }>();
  let lastSuccess: Date | undefined;
  let failing: ErrorKind | undefined;
  const count = (counter: ReportCounter): number => reports.get(counter) ?? 0;
  return {
    add: (counter: ReportCounter, added = 1): void => void reports.set(counter, count(counter) + added),
    fail: (during: 'gathering' | 'delivery' | 'spool', cause: ErrorKind): void => {
      const key = `${during} ${cause}`;
      failures.set(key, { during, cause, count: (failures.get(key)?.count ?? 0) + 1 });
    },
    succeed: (now: Date): void => {
      lastSuccess = now;
    },
    /** Sets why reports wait; undefined where the last delivery succeeded. */
    setFailing: (cause: ErrorKind | undefined): void => {
      failing = cause;
    },
    failing: () => failing,
    count,
    failures: () => [...failures.values()],
    lastSuccess: () => lastSuccess,
  };
}
