import { expect, test } from 'vitest';
import { cloudProviderOf } from '../../src/report/cloud-provider.ts';

test.each(['aws', 'azure', 'cloudstack', 'gce', 'mesos', 'openstack', 'ovirt', 'photon', 'rackspace', 'vsphere'])(
  '%s is let through',
  (provider) => {
    expect(cloudProviderOf(`${provider}://account/zone/machine`)).toBe(provider);
  },
);

test.each(['', 'aws', 'aws:', 'aws:/x', '://x', 'AWS://x', 'acme://x', 'aws://x://y', ' aws://x', 'constructor://x'])(
  'of %j nothing is let through',
  (providerId) => {
    expect(cloudProviderOf(providerId)).toBe('unknown');
  },
);
