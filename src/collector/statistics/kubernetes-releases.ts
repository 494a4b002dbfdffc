import { compareVersions } from './compare-versions.ts';
import releases from './kubernetes-releases.json' with { type: 'json' };

const SUPPORT_ENDS = new Map(releases.minors.map(({ minor, supportEnds }) => [minor, supportEnds]));
const FIRST = releases.minors[0]?.minor ?? '';

/** The day on which the Kubernetes project ends or ended the support of a minor version such as "1.31"; empty if it is not known. */
export function supportEndOf(minor: string): string {
  return SUPPORT_ENDS.get(minor) ?? '';
}

/** Whether a minor version was supported on a day. Versions that are newer than the table are, older ones are not. */
export function isSupported(minor: string, day: string): boolean {
  const ends = SUPPORT_ENDS.get(minor);
  return ends === undefined ? compareVersions(minor, FIRST) > 0 : day < ends;
}
