import type { ErrorKind } from '../runtime/errors.ts';

/** What can become of a report. */
export const FATES = ['made', 'stored', 'refused', 'dropped', 'damaged'] as const;
export type Fate = (typeof FATES)[number];

/** What was being done when something failed. */
export type Deed = 'gathering' | 'delivery' | 'spool';

/** A cause of failures, and how often it was one. */
export interface FailureCount {
  readonly during: Deed;
  readonly cause: ErrorKind;
  readonly count: number;
}

/** What became of the volunteer's reports since it started, for its metrics. */
export interface Ledger {
  add(fate: Fate, reports?: number): void;
  fail(during: Deed, cause: ErrorKind): void;
  /** Notes that a delivery succeeded. */
  succeed(now: Date): void;
  count(fate: Fate): number;
  failures(): readonly FailureCount[];
  lastSuccess(): Date | undefined;
}

export function createLedger(): Ledger {
  const fates = new Map<Fate, number>(FATES.map((fate) => [fate, 0]));
  const failures = new Map<string, FailureCount>();
  let lastSuccess: Date | undefined;
  const count = (fate: Fate): number => fates.get(fate) ?? 0;
  return {
    add: (fate, reports = 1) => void fates.set(fate, count(fate) + reports),
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
