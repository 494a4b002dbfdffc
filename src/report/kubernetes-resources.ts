import type { PolicyRule } from './cluster-role.ts';

/**
 * The resources of Kubernetes 1.35 that can be read, by API group, without those of versions in alpha or beta. A test compares them with those
 * of Kubernetes' own client.
 */
export const KUBERNETES_RESOURCES: Readonly<Record<string, readonly string[]>> = {
  '': [
    'secrets',
    'configmaps',
    'namespaces',
    'nodes',
    'pods',
    'services',
    'serviceaccounts',
    'events',
    'endpoints',
    'persistentvolumes',
    'persistentvolumeclaims',
    'podtemplates',
    'replicationcontrollers',
    'resourcequotas',
    'limitranges',
    'componentstatuses',
  ],
  apps: ['deployments', 'statefulsets', 'daemonsets', 'replicasets', 'controllerrevisions'],
  batch: ['jobs', 'cronjobs'],
  'admissionregistration.k8s.io': [
    'mutatingadmissionpolicies',
    'mutatingadmissionpolicybindings',
    'mutatingwebhookconfigurations',
    'validatingadmissionpolicies',
    'validatingadmissionpolicybindings',
    'validatingwebhookconfigurations',
  ],
  'apiextensions.k8s.io': ['customresourcedefinitions'],
  'apiregistration.k8s.io': ['apiservices'],
  autoscaling: ['horizontalpodautoscalers'],
  'certificates.k8s.io': ['certificatesigningrequests'],
  'coordination.k8s.io': ['leases'],
  'discovery.k8s.io': ['endpointslices'],
  'events.k8s.io': ['events'],
  'flowcontrol.apiserver.k8s.io': ['flowschemas', 'prioritylevelconfigurations'],
  'networking.k8s.io': ['ingressclasses', 'ingresses', 'ipaddresses', 'networkpolicies', 'servicecidrs'],
  'node.k8s.io': ['runtimeclasses'],
  policy: ['poddisruptionbudgets'],
  'rbac.authorization.k8s.io': ['clusterrolebindings', 'clusterroles', 'rolebindings', 'roles'],
  'resource.k8s.io': ['deviceclasses', 'resourceclaims', 'resourceclaimtemplates', 'resourceslices'],
  'scheduling.k8s.io': ['priorityclasses'],
  'storage.k8s.io': [
    'csidrivers',
    'csinodes',
    'csistoragecapacities',
    'storageclasses',
    'volumeattachments',
    'volumeattributesclasses',
  ],
};

/** What cannot be read of one API group: resources, or all but one object of them. */
export interface Unreadable {
  /** Empty for the core group. */
  readonly group: string;
  readonly what: readonly string[];
}

/**
 * The resources of Kubernetes that these rules do not let read. RBAC denies what no rule allows.
 *
 * @param secretRules of the Role in the namespace of the pod
 */
export function listUnreadable(rules: readonly PolicyRule[], secretRules: readonly PolicyRule[]): Unreadable[] {
  return Object.entries(KUBERNETES_RESOURCES).flatMap(([group, resources]) => {
    const what = resources.flatMap((resource) => {
      const own = rules.filter((rule) => isFor(rule, group, resource));
      if (own.some((rule) => namesOf(rule) === undefined)) return [];
      const names = own.flatMap((rule) => namesOf(rule) ?? []);
      const inNamespace = secretRules
        .filter((rule) => isFor(rule, group, resource))
        .flatMap((rule) => namesOf(rule) ?? []);
      const readable = [...names, ...inNamespace.map((name) => `${name} in the namespace of the pod`)];
      return [readable.length === 0 ? resource : `${resource} other than ${readable.join(' and ')}`];
    });
    return what.length === 0 ? [] : [{ group, what }];
  });
}

function isFor(rule: PolicyRule, group: string, resource: string): boolean {
  return 'resources' in rule && rule.apiGroups[0] === group && rule.resources.includes(resource);
}

function namesOf(rule: PolicyRule): readonly string[] | undefined {
  return 'resourceNames' in rule ? rule.resourceNames : undefined;
}

/** What no rule of a volunteer allows, beside the resources that are listed. */
export const NEVER_READABLE: readonly string[] = [
  'custom resources, and those of other API servers, such as metrics.k8s.io',
  'subresources, such as the logs of pods (pods/log), commands in them (pods/exec), and the proxy to nodes',
  'other paths than those listed above, such as /metrics and /logs',
  'users and groups, which are no objects of the Kubernetes API',
];
