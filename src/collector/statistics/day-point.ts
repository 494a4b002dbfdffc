/**
 * The figures of one day, exact and complete, as they are stored in the collection `statistics`. They never leave the collector as they
 * are: answers hide small groups. Days are dates in UTC, such as "2026-11-21".
 */
export interface DayPoint {
  /** The day. */
  readonly _id: string;
  readonly computedAt: Date;
  /** A cluster is active for so many days after its last report. */
  readonly activeWindowDays: number;
  /** Active clusters. */
  readonly clusters: number;
  /** Nodes of active clusters. */
  readonly nodes: number;
  /** Clusters whose first report is of this day. */
  readonly newClusters: number;
  /** Clusters that reported on this day after they had ceased to be active. */
  readonly returningClusters: number;
  /** Clusters that were active on the day before, and are not any more. */
  readonly lostClusters: number;
  /** By `answerKey` of the id of the question. */
  readonly answers: Readonly<Record<string, PointAnswer>>;
}

export type PointAnswer = ValuesPoint | SizesPoint | AmountsPoint | CohortsPoint | UpgradesPoint;

interface Reporting {
  /** The active clusters that report the value. */
  readonly reporting: number;
}

/** For the measures WORD, VERSION, NAME_AND_VERSION, KEY, and computed questions such as the kubelet skew. */
export interface ValuesPoint extends Reporting {
  readonly kind: 'values';
  /** By whole value. At most MAX_VALUES, those with most clusters; the rest is in `rest`. */
  readonly values: readonly ValueCount[];
  /** By coarse value (minor version, name); absent where it is the same. A cluster counts once in each. */
  readonly coarse?: readonly ValueCount[];
  /** The numbers of clusters and nodes in `values` that were left out; absent where none was. */
  readonly rest?: { readonly values: number; readonly clusters: number; readonly nodes?: number };
}

export interface ValueCount {
  readonly value: string;
  readonly clusters: number;
  /** Only for values of nodes. */
  readonly nodes?: number;
}

/** For the measures SIZE, RANGE and HISTOGRAM. */
export interface SizesPoint extends Reporting {
  readonly kind: 'sizes';
  /** Ascending; each bucket ends where the next power of two begins. In a histogram, `nodes` is absent and `clusters` counts clusters. */
  readonly buckets: readonly { readonly atLeast: number; readonly clusters: number }[];
  /** Only for SIZE. */
  readonly amount?: AmountCount;
}

/** For the measure QUANTITY. */
export interface AmountsPoint extends Reporting {
  readonly kind: 'amounts';
  readonly amounts: readonly AmountCount[];
}

export interface AmountCount {
  /** The resource; empty for a SIZE. */
  readonly name: string;
  readonly clusters: number;
  readonly total: number;
  /** By PERCENTS. */
  readonly percentiles: readonly number[];
}

export interface CohortsPoint extends Reporting {
  readonly kind: 'cohorts';
  /** Ascending; month such as "2026-01". `active[0]` is the month itself. */
  readonly cohorts: readonly {
    readonly month: string;
    readonly clusters: number;
    readonly active: readonly number[];
  }[];
}

export interface UpgradesPoint extends Reporting {
  readonly kind: 'upgrades';
  readonly upgrades: readonly {
    readonly from: string;
    readonly to: string;
    readonly clusters: number;
    readonly medianDays: number;
  }[];
}

export const PERCENTS = [10, 25, 50, 75, 90, 99] as const;

/** Of one question in one day's document, so that forged reports cannot make it exceed MongoDB's limit. */
export const MAX_VALUES = 2_000;

/** The key of a question in a day's document: MongoDB would take the dots of an id for a path. */
export function answerKey(questionId: string): string {
  return questionId.replaceAll('.', '/');
}
