/**
 * The clouds whose name may leave the cluster: the ten that the original let through (kubernetes-retired/spartakus,
 * pkg/volunteer/kubernetes.go, v1.1.0). Each is the ProviderName of a cloud provider that was part of kubernetes/kubernetes; the
 * source of each, as of Kubernetes v1.5, is named behind it.
 */
const CLOUD_PROVIDERS: ReadonlySet<string> = new Set([
  'aws', // pkg/cloudprovider/providers/aws/aws.go
  'azure', // pkg/cloudprovider/providers/azure/azure.go
  'cloudstack', // pkg/cloudprovider/providers/cloudstack/cloudstack.go
  'gce', // pkg/cloudprovider/providers/gce/gce.go
  'mesos', // pkg/cloudprovider/providers/mesos/mesos.go
  'openstack', // pkg/cloudprovider/providers/openstack/openstack.go
  'ovirt', // pkg/cloudprovider/providers/ovirt/ovirt.go
  'photon', // pkg/cloudprovider/providers/photon/photon.go
  'rackspace', // pkg/cloudprovider/providers/rackspace/rackspace.go
  'vsphere', // pkg/cloudprovider/providers/vsphere/vsphere.go
]);

/**
 * The cloud of a node, from its `.spec.providerID` (`<provider>://<account, zone, machine>`). What is not of that form, with "://"
 * in it exactly once, or not on the list, is "unknown": no part of the id gets out but a name that everyone knows.
 */
export function cloudProviderOf(providerId: string): string {
  const [provider = '', ...rest] = providerId.split('://');
  return rest.length === 1 && CLOUD_PROVIDERS.has(provider) ? provider : 'unknown';
}
