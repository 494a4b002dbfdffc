import runtimes from '../known-values/runtimes.json' with { type: 'json' };
import { compilePatterns, INPUT_CHARS, matchAt, NUMBERS, OTHER } from './patterns.ts';
import { normaliseSuffix } from './version-suffix.ts';

const KNOWN = compilePatterns(Object.keys(runtimes), 'iy');
const AFTER_NAME = /:\/\/v?/y;

/**
 * `.status.nodeInfo.containerRuntimeVersion`, `<name>://<version>`: a runtime of runtimes.json with its version, such as
 * "containerd://1.7.3-k3s2". The suffix is treated as that of a kernel. A known runtime without a version is its name alone, an unknown
 * runtime is "other", and empty stays empty.
 */
export function normaliseContainerRuntime(containerRuntimeVersion: string): string {
  const text = containerRuntimeVersion.slice(0, INPUT_CHARS).trim();
  if (text === '') return '';
  const name = matchAt(KNOWN, text, 0);
  if (name === undefined) return OTHER;
  const scheme = matchAt(AFTER_NAME, text, name.length);
  // "docker-for-acme" is not docker.
  if (scheme === undefined) return name.length === text.length ? name : OTHER;
  const start = name.length + scheme.length;
  const numbers = matchAt(NUMBERS, text, start);
  if (numbers === undefined) return name;
  const version = `${name}${scheme}${numbers}`;
  return normaliseSuffix(version, text.slice(start + numbers.length), { leadingNumbers: true });
}
