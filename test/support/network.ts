import { listWorkloads, type Manifest, nameOf, type Workload } from './manifests.ts';

/** A pod, by its labels; without a namespace it is in that of the manifests. */
export interface Peer {
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}

interface PolicyPeer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: unknown;
}

interface PolicyRule {
  readonly ports?: readonly { readonly port: number | string; readonly protocol: string }[];
  readonly from?: readonly PolicyPeer[];
  readonly to?: readonly PolicyPeer[];
}

interface Policy {
  readonly podSelector: Selector;
  readonly policyTypes: readonly string[];
  readonly ingress?: readonly PolicyRule[];
  readonly egress?: readonly PolicyRule[];
}

type Direction = 'ingress' | 'egress';

const TYPES = { ingress: 'Ingress', egress: 'Egress' } as const;

function selects(selector: Selector, labels: Readonly<Record<string, string>>): boolean {
  const { matchLabels = {}, matchExpressions = [], ...others } = selector;
  if (Object.keys(others).length > 0) throw new Error(`unknown selector ${JSON.stringify(others)}`);
  return (
    Object.entries(matchLabels).every(([name, value]) => labels[name] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator !== 'In') throw new Error(`unknown operator ${operator}`);
      return values.includes(labels[key] ?? '');
    })
  );
}

function policiesOf(manifests: readonly Manifest[], labels: Readonly<Record<string, string>>, direction: Direction) {
  return manifests
    .filter(({ kind }) => kind === 'NetworkPolicy')
    .map(({ spec }) => spec as unknown as Policy)
    .filter(({ podSelector, policyTypes }) => policyTypes.includes(TYPES[direction]) && selects(podSelector, labels));
}

function admits(peers: readonly PolicyPeer[] | undefined, { labels = {}, namespace }: Peer): boolean {
  if (peers === undefined) return true;
  return peers.some(({ podSelector = {}, namespaceSelector, ipBlock }) => {
    if (ipBlock !== undefined) return false;
    const isThere =
      namespaceSelector === undefined
        ? namespace === undefined
        : namespace !== undefined && selects(namespaceSelector, { 'kubernetes.io/metadata.name': namespace });
    return isThere && selects(podSelector, labels);
  });
}

/** The port of a container that listens on it, by number or by name. */
const portsNamed = (manifests: readonly Manifest[], labels: Readonly<Record<string, string>>, name: string) =>
  listWorkloads(manifests)
    .filter((workload) => Object.entries(labels).every(([key, value]) => workload.labels[key] === value))
    .flatMap(({ pod }) => pod.containers.flatMap(({ ports = [] }) => ports))
    .filter((port) => port.name === name)
    .map(({ containerPort }) => containerPort);

/** Whether the NetworkPolicies let a pod connect to the TCP port of another one. Policies add up. */
export function permitsConnection(manifests: readonly Manifest[], from: Peer, to: Peer, port: number): boolean {
  const passes = (direction: Direction, own: Peer, other: Peer): boolean => {
    // Nothing is known about the policies of another namespace.
    if (own.namespace !== undefined) return true;
    const { labels = {} } = own;
    const policies = policiesOf(manifests, labels, direction);
    return (
      policies.length === 0 ||
      policies.some((policy) =>
        (policy[direction] ?? []).some(
          (rule) =>
            admits(direction === 'ingress' ? rule.from : rule.to, other) &&
            (rule.ports === undefined ||
              rule.ports.some(
                (allowed) =>
                  allowed.protocol === 'TCP' &&
                  (typeof allowed.port === 'number'
                    ? allowed.port === port
                    : portsNamed(manifests, labels, allowed.port).includes(port)),
              )),
        ),
      )
    );
  };
  return passes('egress', from, to) && passes('ingress', to, from);
}

/** Pods that no policy restricts, and ports of policies that their pods do not have. */
export function listNetworkProblems(manifests: readonly Manifest[]): readonly string[] {
  const unrestricted = listWorkloads(manifests).flatMap(({ manifest, labels }: Workload) =>
    (['ingress', 'egress'] as const)
      .filter((direction) => policiesOf(manifests, labels, direction).length === 0)
      .map((direction) => `${nameOf(manifest)}: no NetworkPolicy restricts its ${direction}`),
  );
  const unknown = manifests
    .filter(({ kind }) => kind === 'NetworkPolicy')
    .flatMap((manifest) => {
      const { podSelector, ingress = [] } = manifest.spec as unknown as Policy;
      return ingress
        .flatMap(({ ports = [] }) => ports.map(({ port }) => port))
        .filter((port) => !hasPort(manifests, podSelector, port))
        .map((port) => `${nameOf(manifest)}: its pods have no port ${port}`);
    });
  return [...unrestricted, ...unknown];
}

function hasPort(manifests: readonly Manifest[], selector: Selector, port: number | string): boolean {
  return listWorkloads(manifests)
    .filter(({ labels }) => selects(selector, labels))
    .some(({ pod }) =>
      pod.containers.some(({ ports = [] }) => ports.some((each) => each.containerPort === port || each.name === port)),
    );
}

export const workloadNamed = (manifests: readonly Manifest[], name: string): Workload => {
  const found = listWorkloads(manifests).find(({ manifest }) => manifest.metadata.name === name);
  if (found === undefined) throw new Error(`there is no workload ${name}`);
  return found;
};
