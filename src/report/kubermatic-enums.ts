import { cloudRegionOf } from './cloud-region.ts';

// What of a custom resource's texts may leave the cluster: words that Kubermatic itself has, versions, and two letters of a country. The
// sources are kubermatic/kubermatic, sdk/apis/kubermatic/v1, and kubermatic/machine-controller, sdk/providerconfig.

/** The clouds, each with where its region stands in a datacenter's `.spec.<cloud>`, where it has one. */
const PROVIDERS: ReadonlyMap<string, string | undefined> = new Map([
  ['alibaba', 'region'],
  ['anexia', 'locationID'],
  ['aws', 'region'],
  ['azure', 'location'],
  ['baremetal', undefined],
  ['bringyourown', undefined],
  ['digitalocean', 'region'],
  ['edge', undefined],
  ['fake', undefined],
  ['gcp', 'region'],
  ['hetzner', 'location'],
  ['kubevirt', undefined],
  ['nutanix', undefined],
  ['openstack', 'region'],
  ['packet', undefined],
  ['vmwareclouddirector', undefined],
  ['vsphere', 'datacenter'],
]);

const WORDS = {
  edition: ['CE', 'EE', 'Community Edition', 'Enterprise Edition'],
  exposeStrategy: ['NodePort', 'LoadBalancer', 'Tunneling'],
  cniPlugin: ['canal', 'cilium', 'none'],
  containerRuntime: ['docker', 'containerd'],
  ipFamily: ['IPv4', 'IPv6', 'IPv4+IPv6'],
  operatingSystem: ['ubuntu', 'amzn2', 'rhel', 'flatcar', 'rockylinux', 'centos', 'sles', 'coreos'],
} as const;

/** Which list a word must be on. */
export type WordList = keyof typeof WORDS;

/** A word that Kubermatic has; undefined for anything else, of which nobody knows what it says. */
export function wordOf(list: WordList, text: string | undefined): string | undefined {
  return WORDS[list].find((word) => word === text);
}

/**
 * The cloud that `.spec` of a datacenter, or `.spec.cloud` of a cluster, has a key for: of several, which Kubermatic does not allow, the
 * one that `.providerName` names.
 *
 * @param keys those whose value is there, in any order
 */
export function providerOf(keys: readonly string[], providerName?: string): string | undefined {
  const known = keys.filter((key) => PROVIDERS.has(key));
  return known.length === 1 ? known[0] : known.find((key) => key === providerName);
}

/** Where the region of a cloud stands, below the cloud's key; undefined where it has none. */
export function regionKeyOf(provider: string): string | undefined {
  return PROVIDERS.get(provider);
}

/** The region, where there is one: see cloudRegionOf. */
export function regionOf(provider: string, region: string | undefined): string | undefined {
  return region === undefined ? undefined : cloudRegionOf(provider, region);
}

/** A country's code in capital letters, ISO 3166-1 alpha-2 by its form; anything longer could be a place. */
export function countryOf(text: string | undefined): string | undefined {
  return text !== undefined && /^[a-z]{2}$/i.test(text) ? text.toUpperCase() : undefined;
}

/** What may stand behind the numbers of a version, such as "-rc.1", "-15-g1a2b3c4" or "+vmware.1". */
const SUFFIX = String.raw`(?:-[0-9A-Za-z][0-9A-Za-z.-]{0,31})?(?:\+[0-9A-Za-z][0-9A-Za-z.-]{0,31})?`;
const VERSION = new RegExp(String.raw`^v?\d{1,4}\.\d{1,5}(?:\.\d{1,5})?${SUFFIX}$`);
const SEMVER = new RegExp(String.raw`^v?(\d{1,4})\.(\d{1,5})(?:\.(\d{1,5}))?(${SUFFIX})$`);

/** A version as it stands there, such as "v3.26" or "v2.25.0-15-g1a2b3c4"; undefined for what is none. */
export function versionOf(text: string | undefined): string | undefined {
  return text !== undefined && VERSION.test(text) ? text : undefined;
}

/** A version in three parts, without a "v", as Kubermatic's agent sends that of a cluster: "v1.29" becomes "1.29.0". */
export function plainVersionOf(text: string | undefined): string | undefined {
  const match = SEMVER.exec(text ?? '');
  if (match === null) return undefined;
  const [, major = '', minor = '', patch = '0', suffix = ''] = match;
  return `${major}.${minor}.${patch}${suffix}`;
}
