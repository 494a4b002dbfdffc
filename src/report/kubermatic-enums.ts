import { cloudRegionOf } from './cloud-region.ts';

// Allow lists for strings of custom resources: values of Kubermatic's enums, versions, and country codes.
// Sources: kubermatic/kubermatic, sdk/apis/kubermatic/v1, and kubermatic/machine-controller, sdk/providerconfig.

/** Cloud providers, each with the key of its region in a datacenter's `.spec.<provider>`, if it has one. */
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

const ENUMS = {
  edition: ['CE', 'EE', 'Community Edition', 'Enterprise Edition'],
  exposeStrategy: ['NodePort', 'LoadBalancer', 'Tunneling'],
  cniPlugin: ['canal', 'cilium', 'none'],
  containerRuntime: ['docker', 'containerd'],
  ipFamily: ['IPv4', 'IPv6', 'IPv4+IPv6'],
  operatingSystem: ['ubuntu', 'amzn2', 'rhel', 'flatcar', 'rockylinux', 'centos', 'sles', 'coreos'],
} as const;

type EnumName = keyof typeof ENUMS;

/** A value of one of Kubermatic's enums; undefined for any other text. */
export function wordOf(list: EnumName, text: string | undefined): string | undefined {
  return ENUMS[list].find((word) => word === text);
}

/**
 * The cloud provider among the keys of a datacenter's `.spec` or a cluster's `.spec.cloud` that have a value. Of several, which
 * Kubermatic does not allow, it is the one in `.providerName`.
 */
export function providerOf(keys: readonly string[], providerName?: string): string | undefined {
  const known = keys.filter((key) => PROVIDERS.has(key));
  return known.length === 1 ? known[0] : known.find((key) => key === providerName);
}

export function regionKeyOf(provider: string): string | undefined {
  return PROVIDERS.get(provider);
}

export function regionOf(provider: string, region: string | undefined): string | undefined {
  return region === undefined ? undefined : cloudRegionOf(provider, region);
}

/** A country code of two capital letters, as in ISO 3166-1 alpha-2; undefined for any other text, which could name a place. */
export function countryOf(text: string | undefined): string | undefined {
  return text !== undefined && /^[a-z]{2}$/i.test(text) ? text.toUpperCase() : undefined;
}

/** Major, minor, patch, and a pre-release and build suffix such as "-rc.1", "-15-g1a2b3c4" or "+vmware.1". */
const VERSION =
  /^v?(\d{1,4})\.(\d{1,5})(?:\.(\d{1,5}))?((?:-[0-9A-Za-z][0-9A-Za-z.-]{0,31})?(?:\+[0-9A-Za-z][0-9A-Za-z.-]{0,31})?)$/;

/** A version unchanged, such as "v3.26" or "v2.25.0-15-g1a2b3c4"; undefined for any other text. */
export function versionOf(text: string | undefined): string | undefined {
  return text !== undefined && VERSION.test(text) ? text : undefined;
}

/** A version with three parts and without the "v", as Kubermatic's agent sends it: "v1.29" becomes "1.29.0". */
export function plainVersionOf(text: string | undefined): string | undefined {
  const match = VERSION.exec(text ?? '');
  if (match === null) return undefined;
  const [, major = '', minor = '', patch = '0', suffix = ''] = match;
  return `${major}.${minor}.${patch}${suffix}`;
}
