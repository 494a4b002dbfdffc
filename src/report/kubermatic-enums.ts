import regions from './known-values/cloud-regions.json' with { type: 'json' };
import countries from './known-values/countries.json' with { type: 'json' };
import known from './known-values/kubermatic.json' with { type: 'json' };

// Allow lists for strings of custom resources: values of Kubermatic's enums, versions, and country codes.

const PROVIDERS: ReadonlySet<string> = new Set(known.providers.values);
/** The keys of regions in a datacenter's `.spec.<provider>`, by provider. */
const REGION_KEYS: ReadonlyMap<string, string> = new Map(Object.entries(known.regionKeys.values));
/**
 * The published regions, by Kubermatic's name of the provider. Region names of OpenStack, vSphere and Anexia are chosen by operators, so
 * there are no lists of them.
 */
const REGIONS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(regions).map(([provider, { values }]) => [provider, new Set(values)]),
);
const COUNTRIES: ReadonlySet<string> = new Set(countries.values);

type EnumName = 'edition' | 'exposeStrategy' | 'cniPlugin' | 'containerRuntime' | 'ipFamily' | 'operatingSystem';

/** A value of one of Kubermatic's enums; undefined for any other text. */
export function wordOf(list: EnumName, text: string | undefined): string | undefined {
  return known[list].values.find((word) => word === text);
}

/**
 * The cloud provider among the keys of a datacenter's `.spec` or a cluster's `.spec.cloud` that have a value. Of several, which
 * Kubermatic does not allow, it is the one in `.providerName`.
 */
export function providerOf(keys: readonly string[], providerName?: string): string | undefined {
  const providers = keys.filter((key) => PROVIDERS.has(key));
  return providers.length === 1 ? providers[0] : providers.find((key) => key === providerName);
}

export function regionKeyOf(provider: string | undefined): string | undefined {
  return provider === undefined ? undefined : REGION_KEYS.get(provider);
}

/** The region of a datacenter; "unknown" if it is not on the list. */
export function regionOf(provider: string | undefined, region: string | undefined): string | undefined {
  if (provider === undefined || region === undefined) return undefined;
  return REGIONS.get(provider)?.has(region) === true ? region : 'unknown';
}

/** An officially assigned country code of ISO 3166-1 alpha-2, in capital letters; undefined for any other text. */
export function countryOf(text: string | undefined): string | undefined {
  const code = text?.toUpperCase();
  return code !== undefined && COUNTRIES.has(code) ? code : undefined;
}

/** Major, minor and patch, and what follows them. */
const VERSION = /^(v?)(\d{1,2})\.(\d{1,3})(?:\.(\d{1,3}))?([-+].*)?$/s;
/** A known word with at most one number, such as "-rc.1" or "-beta2"; a number without a word could be anything. */
const KNOWN_SUFFIX = new RegExp(
  `^(?:[-+.](?:${known.versionWords.values.join('|')})(?:[-.]?\\d{1,3})?(?![0-9A-Za-z]))*`,
);
/** Marks a version of which something was cut. */
const CUSTOM = '+custom';

/**
 * A version with the known words of its suffix, such as "v3.26" or "v2.25.0-rc.1"; anything else is cut and marked: "v2.25.0-15-g1a2b3c4"
 * becomes "v2.25.0+custom". Undefined for a text that does not begin with a version.
 */
export function versionOf(text: string | undefined): string | undefined {
  const parts = partsOf(text);
  if (parts === undefined) return undefined;
  const { prefix, numbers, suffix } = parts;
  return prefix + numbers.filter((number) => number !== undefined).join('.') + suffix;
}

/** {@link versionOf} as Kubermatic's agent sends that of a cluster, with three parts and no "v": "v1.29" becomes "1.29.0". */
export function plainVersionOf(text: string | undefined): string | undefined {
  const parts = partsOf(text);
  return parts && parts.numbers.map((number) => number ?? '0').join('.') + parts.suffix;
}

function partsOf(text: string | undefined) {
  const match = VERSION.exec(text ?? '');
  if (match === null) return undefined;
  const [, prefix = '', major, minor, patch, suffix = ''] = match;
  const words = KNOWN_SUFFIX.exec(suffix)?.[0] ?? '';
  return { prefix, numbers: [major, minor, patch], suffix: words === suffix ? words : words + CUSTOM };
}
