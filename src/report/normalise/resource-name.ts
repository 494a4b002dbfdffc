import domains from '../known-values/resources.json' with { type: 'json' };
import { compilePatterns, OTHER } from './patterns.ts';
import { remember } from './remember.ts';

/** The longest qualified name: a domain of 253 characters, "/" and a name of 63 (k8s.io/apimachinery, IsQualifiedName). */
const MAX_NAME = 317;

const KINDS: ReadonlyMap<string, RegExp> = new Map(
  Object.entries(domains).map(([domain, { kinds }]) => [domain, compilePatterns(kinds, '')]),
);
/** Keys of resources.json that are no domains: Kubernetes' own names, the drivers of CSI volumes, and the kinds of all domains. */
const KUBERNETES = 'kubernetes';
const CSI_VOLUMES = 'attachable-volumes-csi';
const ANY_DOMAIN = '*';
const NO_DOMAINS: ReadonlySet<string> = new Set([KUBERNETES, CSI_VOLUMES, ANY_DOMAIN]);

const VOLUMES = 'attachable-volumes-';

/** A quantity of Kubernetes (k8s.io/apimachinery, pkg/api/resource/quantity.go), of a bounded length. */
const QUANTITY = /^[+-]?\d{1,19}(?:\.\d{0,9})?(?:[eE][+-]?\d{1,2}|[KMGTPE]i|[numkMGTPE])?$/;

export interface NodeResource {
  /** Such as "cpu" or "nvidia.com/gpu". */
  readonly resource: string;
  /** A quantity of Kubernetes, such as "16375028Ki". */
  readonly value: string;
}

/**
 * The name of a resource: Kubernetes' own and those of the device plugins in resources.json as they are, `<domain>/other` for an
 * unknown name in a known domain (operators choose many of these names), and "other" for an unknown domain.
 */
export function normaliseResourceName(resource: string): string {
  if (resource.length > MAX_NAME) return OTHER;
  const slash = resource.indexOf('/');
  if (slash === -1) return normaliseOwnName(resource);
  const domain = resource.slice(0, slash);
  if (!KINDS.has(domain) || NO_DOMAINS.has(domain)) return OTHER;
  const kind = resource.slice(slash + 1);
  return isKnown(domain, kind) || isKnown(ANY_DOMAIN, kind) ? resource : `${domain}/${OTHER}`;
}

function normaliseOwnName(name: string): string {
  if (isKnown(KUBERNETES, name)) return name;
  if (!name.startsWith(VOLUMES)) return OTHER;
  return name.startsWith(`${CSI_VOLUMES}-`) && isKnown(CSI_VOLUMES, name.slice(CSI_VOLUMES.length + 1))
    ? name
    : `${VOLUMES}${OTHER}`;
}

function isKnown(domain: string, kind: string): boolean {
  return KINDS.get(domain)?.test(kind) === true;
}

const knownName = remember(normaliseResourceName);

/**
 * The resources of a node with normalised names, in the order in which the names first occur. Resources that become the same `other`
 * are one, and its value is how many they were, because their quantities have no common unit. A value that is no quantity of Kubernetes
 * becomes empty.
 */
export function normaliseCapacity(resources: Iterable<NodeResource>): NodeResource[] {
  const known: NodeResource[] = [];
  const others = new Map<string, number>();
  for (const { resource, value } of resources) {
    const name = knownName(resource);
    if (!isOther(name)) known.push({ resource: name, value: QUANTITY.test(value) ? value : '' });
    // Normalised before: its value is a count already.
    else if (name === resource && /^\d{1,6}$/.test(value)) others.set(name, (others.get(name) ?? 0) + Number(value));
    else others.set(name, (others.get(name) ?? 0) + 1);
  }
  return [...known, ...[...others].map(([resource, count]) => ({ resource, value: String(count) }))];
}

function isOther(name: string): boolean {
  return name === OTHER || name.endsWith(`/${OTHER}`) || name === `${VOLUMES}${OTHER}`;
}
