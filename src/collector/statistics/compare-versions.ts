/** Orders versions and other texts by their numbers where they have some: "1.9" before "1.10", "v1.31.4" before "v1.31.10". */
export function compareVersions(left: string, right: string): number {
  return COLLATOR.compare(left, right);
}

const COLLATOR = new Intl.Collator('en', { numeric: true });
