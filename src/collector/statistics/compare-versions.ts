/** Orders versions and other texts by their numbers where they have some: "1.9" before "1.10", "v1.31.4" before "v1.31.10". */
export const compareVersions = new Intl.Collator('en', { numeric: true }).compare;
