import { create } from '@bufbuild/protobuf';
import {
  type Datacenter,
  DatacenterSchema,
  type Seed,
  SeedSchema,
} from '../../../gen/spartakus/kubermatic/v1/record_pb.js';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { flagAt, pick, textAt } from '../../kubernetes/json.ts';
import type { UuidMaker } from '../../report/ids.ts';
import { countryOf, providerOf, regionKeyOf, regionOf, versionOf, wordOf } from '../../report/kubermatic-enums.ts';
import { listKubermaticObjects } from './custom-resources.ts';
import type { SecretKey } from './secret-client.ts';

const DEFAULT_EXPOSE_STRATEGY = 'NodePort';
const DEFAULT_KUBECONFIG_KEY = 'kubeconfig';

/** Only the message is sent. */
export interface ListedSeed {
  readonly message: Seed;
  /** Names, unique among all seeds. */
  readonly datacenters: ReadonlySet<string>;
  readonly kubermaticVersion: string | undefined;
  readonly kubeconfig: SecretKey | undefined;
}

export interface SeedOptions {
  /** The default of the KubermaticConfiguration. */
  readonly exposeStrategy: string | undefined;
  /** Whether seeds and datacenters name their countries. */
  readonly withCountry: boolean;
}

export function listSeeds(
  kube: KubernetesClient,
  uuidOf: UuidMaker,
  { exposeStrategy = DEFAULT_EXPOSE_STRATEGY, withCountry }: SeedOptions,
): Promise<readonly ListedSeed[]> {
  const readCountry = (object: unknown): string | undefined =>
    withCountry ? countryOf(textAt(object, 'country')) : undefined;
  return listKubermaticObjects(kube, 'seeds', (object, name) => {
    const datacenters = pick(object, 'spec', 'datacenters') ?? {};
    const names = Object.keys(datacenters);
    return {
      message: create(SeedSchema, {
        uuid: uuidOf('seed', name),
        country: readCountry(pick(object, 'spec')),
        exposeStrategy: wordOf('exposeStrategy', textAt(object, 'spec', 'exposeStrategy')) ?? exposeStrategy,
        datacenters: names.map((key) => convertDatacenter(key, pick(datacenters, key), uuidOf, readCountry)),
        userClusterMlaEnabled: flagAt(object, 'spec', 'mla', 'userClusterMLAEnabled') ?? false,
      }),
      datacenters: new Set(names),
      kubermaticVersion: versionOf(textAt(object, 'status', 'versions', 'kubermatic')),
      kubeconfig: kubeconfigOf(object),
    };
  });
}

function convertDatacenter(
  name: string,
  datacenter: unknown,
  uuidOf: UuidMaker,
  readCountry: (object: unknown) => string | undefined,
): Datacenter {
  const spec = pick(datacenter, 'spec');
  const provider = providerOf(keysOf(spec));
  const regionKey = regionKeyOf(provider);
  return create(DatacenterSchema, {
    uuid: uuidOf('datacenter', name),
    country: readCountry(datacenter),
    provider,
    region: regionKey && regionOf(provider, textAt(spec, provider ?? '', regionKey)),
  });
}

function kubeconfigOf(object: unknown): SecretKey | undefined {
  const reference = pick(object, 'spec', 'kubeconfig');
  const name = textAt(reference, 'name');
  const namespace = textAt(reference, 'namespace') ?? textAt(object, 'metadata', 'namespace');
  if (name === undefined || namespace === undefined) return undefined;
  return { name, namespace, key: textAt(reference, 'fieldPath') ?? DEFAULT_KUBECONFIG_KEY };
}

/** The keys of an object whose values are not null. */
export function keysOf(value: unknown): readonly string[] {
  return Object.entries(value ?? {}).flatMap(([key, member]) => (member === null || member === undefined ? [] : [key]));
}
