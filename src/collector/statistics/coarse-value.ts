import { Measure } from '../../../gen/spartakus/options/v1/options_pb.js';

/** The coarse form of a normalised value: the minor version of a version, the name of a name with a version, and any other value itself. */
export function coarseValue(measure: Measure, value: string): string {
  if (measure === Measure.VERSION) return /^v?(\d+\.\d+)/.exec(value)?.[1] ?? value;
  // The name of an extension: names contain no "=".
  if (measure === Measure.KEY) return value.split('=', 1)[0] ?? value;
  if (measure !== Measure.NAME_AND_VERSION) return value;
  const scheme = value.indexOf('://');
  if (scheme > 0) return value.slice(0, scheme);
  return /^(.*?)\s+\(?v?\d/.exec(value)?.[1] ?? value;
}
