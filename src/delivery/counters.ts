import type { ErrorKind } from '../runtime/errors.ts';

/** Each has a counter and a metric. */
export const REPORT_COUNTERS = ['made', 'stored', 'rejected', 'dropped', 'corrupt'] as const;
export type ReportCounter = (typeof REPORT_COUNTERS)[number];

type Operation = 'gathering' | 'delivery' | 'spool';

export interface Success {
  readonly at: Date;
  readonly outcome: 'stored' | 'duplicate';
}

export type Counters = ReturnType<typeof createCounters>;

export function createCounters() {
  const reports = new Map<ReportCounter, number>();
  const failures = new Map<string, { readonly during: string; readonly cause: ErrorKind; readonly count: number }>();
  /** The causes of the last failures, until a success. */
  const failing = new Map<Operation, ErrorKind>();
  let lastSuccess: Success | undefined;
  const count = (counter: ReportCounter): number => reports.get(counter) ?? 0;
  return {
    add: (counter: ReportCounter, added = 1): void => {
      if (counter === 'made') failing.delete('gathering');
      reports.set(counter, count(counter) + added);
    },
    fail: (during: Operation, cause: ErrorKind): void => {
      failing.set(during, cause);
      const key = `${during} ${cause}`;
      failures.set(key, { during, cause, count: (failures.get(key)?.count ?? 0) + 1 });
    },
    /** A report is durable; `duplicate`: it was before, and its receipt was lost. */
    succeed: (at: Date, outcome: Success['outcome']): void => {
      failing.delete('delivery');
      lastSuccess = { at, outcome };
    },
    count,
    failures: () => [...failures.values()],
    failingFor: (during: Operation) => failing.get(during),
    lastSuccess: () => lastSuccess,
  };
}
