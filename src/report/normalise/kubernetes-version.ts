import { INPUT_CHARS, OTHER } from './patterns.ts';
import { normaliseSuffix } from './version-suffix.ts';

/** Major, minor and, where there is one, patch. Platforms that simulate a kubelet write their name before it (kwok-v0.6.1). */
const VERSION = /^(?:kwok-|fake-|hollow-)?v?\d{1,3}\.\d{1,4}(?:\.\d{1,6})?(?![A-Za-z0-9])/;

/**
 * `.status.nodeInfo.kubeletVersion` of a node, or `gitVersion` of the control plane: the version and the known words of
 * version-words.json, such as "v1.29.4-gke.1043002" and "v1.31.4+k3s1". A number is kept only after a known word. Anything else, such
 * as commits and the output of `git describe`, is cut and marked "+custom". Empty stays empty, and a text without a version is "other".
 */
export function normaliseKubernetesVersion(gitVersion: string): string {
  const text = gitVersion.slice(0, INPUT_CHARS).trim();
  if (text === '') return '';
  const version = VERSION.exec(text)?.[0];
  if (version === undefined) return OTHER;
  return normaliseSuffix(version, text.slice(version.length), { leadingNumbers: false });
}
