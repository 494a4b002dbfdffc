/** A defect of the kind that reviews overlook, as a replacement of source text. */
export interface Fault {
  /** What no longer holds. */
  readonly fault: string;
  /** Below src/. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly from: string;
  readonly to: string;
  /** A test file that fails with it. */
  readonly test: string;
}
