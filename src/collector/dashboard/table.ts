/** The figures of a chart. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** The columns whose numbers are shares from 0 to 1. */
  readonly shareColumns?: readonly number[];
}

/** All columns but the first, where they are shares. */
export function shareColumnsOf(count: number, isShare: boolean): readonly number[] {
  return isShare ? Array.from({ length: count }, (_, index) => index + 1) : [];
}

/** Enough digits of a share for a table. */
export function roundShare(share: number): number {
  return Math.round(share * 10_000) / 10_000;
}
