/**
 * What statistics need of each value, read from the value itself by expressions that share nothing with the normalisers: a normalised
 * value is good when it still has all of it.
 */

/** A word of a version that is no commit and no mark of a build: "gke", "el8", "tlinux4". */
function wordsOf(suffix: string): string[] {
  return suffix
    .split(/[-._+~]/)
    .filter((word) => !/^(?:git|g)?[0-9a-f]{6,}$/.test(word) && !/^(?:dirty|alpha|beta|rc|dev|git)\d*$/.test(word))
    .flatMap((word) => word.match(/[A-Za-z][A-Za-z]+\d*/g) ?? []);
}

/** Distribution and release: the letters before the first number, and that number. */
export function osImageKeeps(value: string, normalised: string): boolean {
  const name = /^[^\d([]*/.exec(value)?.[0].replace(/[\s_-]*(?:\b[vVr]|release|Version)?\s*$/, '') ?? '';
  const release = /\d+(?:\.\d+)*/.exec(value)?.[0] ?? '';
  return normalised !== 'other' && normalised.startsWith(name) && normalised.includes(release);
}

/** The version, and the flavour: the last word of the text. */
export function kernelKeeps(value: string, normalised: string): boolean {
  const version = /^\d+(?:\.\d+)+/.exec(value)?.[0] ?? '';
  const flavour = wordsOf(value.slice(version.length)).at(-1) ?? '';
  return normalised.startsWith(version) && normalised.includes(flavour);
}

/** Minor, patch and vendor: the first word after them. */
export function kubernetesKeeps(value: string, normalised: string): boolean {
  const version = /^(?:[a-z]+-)?v?\d+\.\d+(?:\.\d+)?/.exec(value)?.[0] ?? '?';
  const vendor = wordsOf(value.slice(version.length))[0] ?? '';
  return normalised.startsWith(version) && normalised.includes(vendor);
}

/** The name, and its version where there is one. */
export function runtimeKeeps(value: string, normalised: string): boolean {
  const [name = '', rest = ''] = value.split('://');
  const version = /^v?\d+(?:\.\d+)*/.exec(rest)?.[0] ?? '';
  const vendor = wordsOf(rest.slice(version.length))[0] ?? '';
  return normalised.startsWith(name) && normalised.includes(version) && (version === '' || normalised.includes(vendor));
}

/** The operator names the device: the domain is all that can be told of it. */
const OPERATORS_NAMES = /^(?:akri\.sh|bridge\.network\.kubevirt\.io|networking\.gke\.io\.networks)\//;

/** Domain and kind. */
export function resourceKeeps(value: string, normalised: string): boolean {
  const [operated] = OPERATORS_NAMES.exec(value) ?? [];
  return normalised === value || (operated !== undefined && normalised === `${operated}other`);
}
