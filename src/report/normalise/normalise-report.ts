import { create } from '@bufbuild/protobuf';
import { type Node, type Report, ResourceSchema } from '../../../gen/spartakus/report/v1/report_pb.js';
import { normaliseCloudProvider } from './cloud-provider.ts';
import { normaliseContainerRuntime } from './container-runtime.ts';
import { normaliseKernelVersion } from './kernel-version.ts';
import { normaliseKubernetesVersion } from './kubernetes-version.ts';
import { normaliseOsImage } from './os-image.ts';
import { normaliseArchitecture, normaliseOperatingSystem } from './platform.ts';
import { roundQuantity } from './quantity.ts';
import { remember } from './remember.ts';
import { type NodeResource, normaliseCapacity } from './resource-name.ts';

type Normaliser = (text: string) => string;

export interface NormaliseOptions {
  /** Keeps all digits of quantities. */
  readonly exactQuantities?: boolean;
}

/** The normaliser of each text of a node that has the treatment PRIVACY_NORMALISED. */
export const NODE_NORMALISERS = {
  operatingSystem: normaliseOperatingSystem,
  osImage: remember(normaliseOsImage),
  kernelVersion: remember(normaliseKernelVersion),
  architecture: normaliseArchitecture,
  containerRuntimeVersion: remember(normaliseContainerRuntime),
  kubeletVersion: remember(normaliseKubernetesVersion),
} as const satisfies { readonly [Name in keyof Node]?: Normaliser };

type NodeText = keyof typeof NODE_NORMALISERS;
export const NODE_TEXTS = Object.keys(NODE_NORMALISERS) as readonly NodeText[];

/** The texts of a node, as the Kubernetes API or an old client has them. */
export type NodeTexts = { readonly [Name in NodeText]?: string | undefined };

/** The texts of a node in their known forms; an absent text stays absent. */
export function normaliseNodeTexts(node: NodeTexts): NodeTexts {
  const texts: { [Name in NodeText]?: string } = {};
  for (const name of NODE_TEXTS) {
    const text = node[name];
    if (text !== undefined) texts[name] = NODE_NORMALISERS[name](text);
  }
  return texts;
}

const rounded = remember(roundQuantity);

/** The capacity of a node with known names only, and with rounded quantities. */
export function normaliseResources(
  capacity: Iterable<NodeResource>,
  { exactQuantities = false }: NormaliseOptions = {},
): NodeResource[] {
  const resources = normaliseCapacity(capacity);
  if (exactQuantities) return resources;
  return resources.map(({ resource, value }) => ({ resource, value: rounded(value) }));
}

/** Gives the values of a report of an old client the forms that this project's volunteer sends. Changes the report. */
export function normaliseReport(report: Report): void {
  if (report.masterVersion !== undefined) report.masterVersion = normaliseKubernetesVersion(report.masterVersion);
  normaliseNodes(report.nodes);
}

/** Gives the values of nodes of an old client the known forms. Changes the nodes. */
export function normaliseNodes(nodes: readonly Node[], options?: NormaliseOptions): void {
  for (const node of nodes) {
    Object.assign(node, normaliseNodeTexts(node));
    if (node.cloudProvider !== undefined) node.cloudProvider = normaliseCloudProvider(`${node.cloudProvider}://`);
    node.capacity = normaliseResources(node.capacity, options).map((resource) => create(ResourceSchema, resource));
  }
}
