import { INPUT_CHARS, matchAt, NUMBERS, OTHER } from './patterns.ts';
import { normaliseSuffix } from './version-suffix.ts';

/**
 * `.status.nodeInfo.kernelVersion` (`uname -r`; on Windows the version and build): two to five numbers, the build numbers after them and
 * the known words of version-words.json, such as "5.15.0-1064-azure". Anything else is cut and marked "+custom". Empty stays empty, and
 * a text without a version is "other".
 */
export function normaliseKernelVersion(kernelVersion: string): string {
  const text = kernelVersion.slice(0, INPUT_CHARS).trim();
  if (text === '') return '';
  const numbers = matchAt(NUMBERS, text, 0);
  if (numbers === undefined || !numbers.includes('.')) return OTHER;
  return normaliseSuffix(numbers, text.slice(numbers.length), { leadingNumbers: true });
}
