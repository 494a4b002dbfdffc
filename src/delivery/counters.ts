import type { ErrorKind } from '../runtime/errors.ts';

/** What is counted of reports: one counter each, and one metric each. */
export const REPORT_COUNTERS = ['made', 'stored', 'rejected', 'dropped', 'corrupt'] as const;
export type ReportCounter = (typeof REPORT_COUNTERS)[number];

export type Operation = 'gathering' | 'delivery' | 'spool';

export interface FailureCount {
  readonly during: Operation;
  readonly cause: ErrorKind;
  readonly count: number;
}

/** The counters of a volunteer since its start, for its metrics. */
export interface Counters {
  add(counter: ReportCounter, reports?: number): void;
  fail(during: Operation, cause: ErrorKind): void;
  /** Sets the time of the last successful delivery. */
  succeed(now: Date): void;
  count(counter: ReportCounter): number;
  failures(): readonly FailureCount[];
  lastSuccess(): Date | undefined;
}

export function createCounters(): Counters {
  const reports = new Map<ReportCounter, number>();
  const failures = new Map<string, FailureCount>();
  let lastSuccess: Date | undefined;
  const count = (counter: ReportCounter): number => reports.get(counter) ?? 0;
  return {
    add: (counter, added = 1) => void reports.set(counter, count(counter) + added),
    fail: (during, cause) => {
      const key = `${during} ${cause}`;
      failures.set(key, { during, cause, count: (failures.get(key)?.count ?? 0) + 1 });
    },
    succeed: (now) => {
      lastSuccess = now;
    },
    count,
    failures: () => [...failures.values()],
    lastSuccess: () => lastSuccess,
  };
}
