import { create } from '@bufbuild/protobuf';
import {
  type Datacenter,
  DatacenterSchema,
  type Seed,
  SeedSchema,
} from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubeClient } from '../../kubernetes/client.ts';
import { flagAt, pick, textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { countryOf, providerOf, regionKeyOf, regionOf, versionOf, wordOf } from '../../report/kubermatic-enums.ts';
import { KUBERMATIC_API, listCustomResources } from './custom-resources.ts';
import type { SecretKey } from './secret-kubeconfig.ts';

/** What Kubermatic means where neither a seed nor the configuration says how clusters are reached. */
const DEFAULT_EXPOSE_STRATEGY = 'NodePort';
const DEFAULT_KUBECONFIG_KEY = 'kubeconfig';

/** A seed, with what must stay here. */
export interface FoundSeed {
  readonly name: string;
  readonly message: Seed;
  /** The names of its datacenters; no other seed has one of these. */
  readonly datacenters: ReadonlySet<string>;
  /** The version of Kubermatic that runs on it. */
  readonly kubermaticVersion: string | undefined;
  /** Where its kubeconfig is, in the cluster that it was listed in. */
  readonly kubeconfig: SecretKey | undefined;
}

export interface SeedsOptions {
  readonly uuidOf: UuidMaker;
  /** Of the KubermaticConfiguration. */
  readonly exposeStrategy: string | undefined;
}

/** The seeds, of all namespaces, in the order of the Kubernetes API. */
export function listSeeds(
  kube: KubeClient,
  { uuidOf, exposeStrategy = DEFAULT_EXPOSE_STRATEGY }: SeedsOptions,
): Promise<readonly FoundSeed[]> {
  return listCustomResources(kube, `${KUBERMATIC_API}/seeds`, (object): FoundSeed | undefined => {
    const name = textAt(object, 'metadata', 'name');
    if (name === undefined) return undefined;
    const datacenters = pick(object, 'spec', 'datacenters') ?? {};
    // Kubernetes keeps them in no order; by name they have the same at each reading.
    const names = Object.keys(datacenters).toSorted();
    const country = countryOf(textAt(object, 'spec', 'country'));
    return {
      name,
      message: create(SeedSchema, {
        uuid: uuidOf('seed', name),
        country,
        exposeStrategy: wordOf('exposeStrategy', textAt(object, 'spec', 'exposeStrategy')) ?? exposeStrategy,
        datacenters: names.map((key) => convertDatacenter(key, pick(datacenters, key), uuidOf)),
        userClusterMlaEnabled: flagAt(object, 'spec', 'mla', 'userClusterMLAEnabled') ?? false,
      }),
      datacenters: new Set(names),
      kubermaticVersion: versionOf(textAt(object, 'status', 'versions', 'kubermatic')),
      kubeconfig: kubeconfigOf(object),
    };
  });
}

function convertDatacenter(name: string, datacenter: unknown, uuidOf: UuidMaker): Datacenter {
  const spec = pick(datacenter, 'spec');
  const provider = providerOf(keysOf(spec));
  const regionKey = provider === undefined ? undefined : regionKeyOf(provider);
  const region =
    provider === undefined || regionKey === undefined
      ? undefined
      : regionOf(provider, textAt(spec, provider, regionKey));
  const country = countryOf(textAt(datacenter, 'country'));
  return create(DatacenterSchema, { uuid: uuidOf('datacenter', name), country, provider, region });
}

function kubeconfigOf(object: unknown): SecretKey | undefined {
  const name = textAt(object, 'spec', 'kubeconfig', 'name');
  const namespace = textAt(object, 'spec', 'kubeconfig', 'namespace') ?? textAt(object, 'metadata', 'namespace');
  if (name === undefined || namespace === undefined) return undefined;
  return { name, namespace, key: textAt(object, 'spec', 'kubeconfig', 'fieldPath') ?? DEFAULT_KUBECONFIG_KEY };
}

/** The keys of an object whose values are there. */
export function keysOf(value: unknown): readonly string[] {
  return Object.entries(value ?? {}).flatMap(([key, member]) => (member === null || member === undefined ? [] : [key]));
}
