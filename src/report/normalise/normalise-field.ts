import type { DescField } from '@bufbuild/protobuf';
import { plainVersionOf, providerOf, versionOf, wordOf } from '../kubermatic-enums.ts';
import { normaliseCloudProvider } from './cloud-provider.ts';
import { normaliseKubernetesVersion } from './kubernetes-version.ts';
import { NODE_NORMALISERS } from './normalise-report.ts';
import { remember } from './remember.ts';
import { normaliseResourceName } from './resource-name.ts';

/** By the name of the message and the JSON name of the field. */
const NORMALISERS: ReadonlyMap<string, (text: string) => string> = new Map([
  ...Object.entries(NODE_NORMALISERS).map(
    ([name, normalise]) => [`spartakus.report.v1.Node.${name}`, normalise] as const,
  ),
  ['spartakus.report.v1.Node.cloudProvider', remember((provider) => normaliseCloudProvider(`${provider}://`))],
  ['spartakus.report.v1.Report.masterVersion', remember(normaliseKubernetesVersion)],
  ['spartakus.kubermatic.v1.Record.kubermaticEdition', (text) => wordOf('edition', text) ?? ''],
  ['spartakus.kubermatic.v1.Record.kubermaticVersion', (text) => versionOf(text) ?? ''],
  ['spartakus.kubermatic.v1.Cluster.kubernetesServerVersion', (text) => plainVersionOf(text) ?? ''],
  ['spartakus.kubermatic.v1.CNIPlugin.type', (text) => wordOf('cniPlugin', text) ?? ''],
  ['spartakus.kubermatic.v1.Cloud.provider', (text) => providerOf([text]) ?? ''],
  ['spartakus.report.v1.Resource.resource', remember(normaliseResourceName)],
]);

/** The normaliser of the text of a single field; texts of a field without one are returned as they are. */
export function normaliserOf({ parent, jsonName }: DescField): (text: string) => string {
  return NORMALISERS.get(`${parent.typeName}.${jsonName}`) ?? ((text) => text);
}
