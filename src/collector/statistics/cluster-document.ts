import type { Day } from './days.ts';
import type { Facts } from './facts.ts';

/** The cluster id, or the client UUID of an installation of Kubermatic, which is no cluster. */
export type ClusterId = string | { readonly kubermatic: string };

/** A document of the collection `clusters`: one cluster, as its reports describe it. All parts can be merged in any order. */
export interface ClusterDocument {
  readonly _id: ClusterId;
  /** The day of its first report. */
  readonly first: Day;
  /** The day of its newest report. */
  readonly day: Day;
  /** The newest report. */
  readonly last: ClusterReport;
  /** The newest reports of the days before, newest first: as many as the figures of today and yesterday need. */
  readonly earlier: readonly ClusterReport[];
  /**
   * The first day in each month with each minor version, "2026-11 1.31 21"; "2026-11  21" where the version is not reported. Ascending;
   * the newest MAX_SEEN.
   */
  readonly seen: readonly string[];
  /** Increased by each merge. */
  readonly revision: number;
}

/** The newest report of a day. */
export interface ClusterReport {
  /** The report's id. */
  readonly id: string;
  readonly receivedAt: Date;
  /** The last day before this one with a report; absent for the first. */
  readonly prev?: Day;
  readonly facts: Facts;
}

/** About eight years of monthly reports with a change of version in each. */
export const MAX_SEEN = 200;

export interface Seen {
  readonly day: Day;
  readonly month: string;
  /** Empty if unknown. */
  readonly minor: string;
}

export function parseSeen(text: string): Seen {
  const [month = '', minor = '', date = ''] = text.split(' ');
  return { day: `${month}-${date}`, month, minor };
}

/** The newest report up to the end of a day. */
export function reportAsOf(
  { last, earlier = [] }: Partial<Pick<ClusterDocument, 'last' | 'earlier'>>,
  day: Day,
): ClusterReport | undefined {
  return last === undefined || last.facts.day <= day ? last : earlier.find(({ facts }) => facts.day <= day);
}
