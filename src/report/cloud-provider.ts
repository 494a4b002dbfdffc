/** As of Kubernetes v1.5: the ten that the original allowed (kubernetes-retired/spartakus, pkg/volunteer/kubernetes.go, v1.1.0). */
const IN_TREE = 'kubernetes/kubernetes, pkg/cloudprovider/providers';

/**
 * The allow list of cloud providers, each with its source: the file with the ProviderName that a cloud controller manager registers, or
 * with the scheme that it writes into `.spec.providerID`.
 */
export const CLOUD_PROVIDERS: ReadonlyMap<string, string> = new Map([
  ['aws', `${IN_TREE}/aws/aws.go`],
  ['azure', `${IN_TREE}/azure/azure.go`],
  ['cloudstack', `${IN_TREE}/cloudstack/cloudstack.go`],
  ['gce', `${IN_TREE}/gce/gce.go`],
  ['mesos', `${IN_TREE}/mesos/mesos.go`],
  ['openstack', `${IN_TREE}/openstack/openstack.go`],
  ['ovirt', `${IN_TREE}/ovirt/ovirt.go`],
  ['photon', `${IN_TREE}/photon/photon.go`],
  ['rackspace', `${IN_TREE}/rackspace/rackspace.go`],
  ['vsphere', `${IN_TREE}/vsphere/vsphere.go`],
  // Some releases write ids without a scheme ("region.instance"), which are reported as "unknown".
  ['alicloud', 'kubernetes/cloud-provider-alibaba-cloud, cloud-controller-manager/alicloud.go, ProviderName'],
  ['civo', 'civo/civo-cloud-controller-manager, cloud-controller-manager/civo/cloud.go, ProviderName'],
  [
    'digitalocean',
    'digitalocean/digitalocean-cloud-controller-manager, cloud-controller-manager/do/cloud.go, ProviderName',
  ],
  ['equinixmetal', 'kubernetes-sigs/cloud-provider-equinix-metal, metal/cloud.go, ProviderName'],
  ['harvester', 'harvester/cloud-provider-harvester, pkg/cloud-controller-manager/ccm.go, ProviderName'],
  ['hcloud', 'hetznercloud/hcloud-cloud-controller-manager, internal/providerid/providerid.go, prefixCloud'],
  ['hrobot', 'hetznercloud/hcloud-cloud-controller-manager, internal/providerid/providerid.go, prefixRobot'],
  ['ibm', 'IBM-Cloud/cloud-provider-ibm, ibm/ibm.go, ProviderName'],
  ['k3s', 'k3s-io/k3s, pkg/cloudprovider/cloudprovider.go, ProviderName() (version.Program)'],
  ['kind', 'kubernetes-sigs/kind, pkg/cluster/internal/kubeadm/config.go, provider-id'],
  ['kubevirt', 'kubevirt/cloud-provider-kubevirt, pkg/provider/cloud.go, ProviderName'],
  ['linode', 'linode/linode-cloud-controller-manager, cloud/linode/common.go, providerIDPrefix'],
  ['nutanix', 'nutanix-cloud-native/cloud-provider-nutanix, internal/constants/constants.go, ProviderName'],
  ['oci', 'oracle/oci-cloud-controller-manager, pkg/cloudprovider/providers/oci/ccm.go, providerName'],
  ['packet', 'kubernetes-sigs/cloud-provider-equinix-metal, metal/cloud.go, deprecatedProviderName'],
  ['proxmox', 'sergelogvinov/proxmox-cloud-controller-manager, pkg/provider/provider.go, ProviderName'],
  ['scaleway', 'scaleway/scaleway-cloud-controller-manager, scaleway/cloud.go, ProviderName'],
  ['vultr', 'vultr/vultr-cloud-controller-manager, vultr/cloud.go, providerName'],
]);

/** The cloud provider in a node's `.spec.providerID`, `<provider>://<account, zone, machine>`; "unknown" if it is not on the list. */
export function cloudProviderOf(providerId: string): string {
  const [provider = '', ...rest] = providerId.split('://');
  return rest.length === 1 && CLOUD_PROVIDERS.has(provider) ? provider : 'unknown';
}
