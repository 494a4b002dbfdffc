import regions from './known-values/cloud-regions.json' with { type: 'json' };

/**
 * The published regions, by Kubermatic's name of the provider. Region names of OpenStack, vSphere and Anexia are chosen by operators, so
 * there are no lists of them.
 */
const CLOUD_REGIONS: ReadonlyMap<string, ReadonlySet<string>> = new Map(
  Object.entries(regions).map(([provider, { values }]) => [provider, new Set(values)]),
);

/** The region of a datacenter; "unknown" if it is not on the list. */
export function cloudRegionOf(provider: string, region: string): string {
  return CLOUD_REGIONS.get(provider)?.has(region) === true ? region : 'unknown';
}
