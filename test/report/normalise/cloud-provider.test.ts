import { expect, test } from 'vitest';
import { normaliseCloudProvider } from '../../../src/report/normalise/cloud-provider.ts';

test.each(['aws', 'azure', 'cloudstack', 'gce', 'mesos', 'openstack', 'ovirt', 'photon', 'rackspace', 'vsphere'])(
  '%s is sent, as the original sent it',
  (provider) => {
    expect(normaliseCloudProvider(`${provider}://account/zone/machine`)).toBe(provider);
  },
);

test.each([
  ['digitalocean', 'digitalocean://1'],
  ['hcloud', 'hcloud://1'],
  ['hcloud', 'hcloud://bm-1'],
  ['equinixmetal', 'equinixmetal://00000000-0000-0000-0000-000000000000'],
  ['ibm', 'ibm://account///cluster/worker'],
  ['k3s', 'k3s://node'],
  ['kind', 'kind://docker/kind/kind-control-plane'],
  ['oci', 'oci://ocid1.instance.oc1'],
  ['proxmox', 'proxmox://region/100'],
  ['alicloud', 'cn-hangzhou.i-bp1example00000000000'],
  ['oci', 'ocid1.instance.oc1.eu-frankfurt-1.exampleuniqueid'],
  ['scaleway', 'scaleway://instance/fr-par-1/00000000-0000-0000-0000-000000000000'],
])('%s is sent for %s', (provider, providerId) => {
  expect(normaliseCloudProvider(providerId)).toBe(provider);
});

test.each([
  '',
  'aws',
  'aws:',
  'aws:/x',
  '://x',
  'AWS://x',
  'acme://x',
  'aws://x://y',
  ' aws://x',
  'constructor://x',
  'ocid1.instance.oc1',
])('no part of %j is sent', (providerId) => {
  expect(normaliseCloudProvider(providerId)).toBe('unknown');
});
