import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import clouds from '../../../src/report/known-values/clouds.json' with { type: 'json' };
import { normaliseCloudProvider } from '../../../src/report/normalise/cloud-provider.ts';
import { normaliseContainerRuntime } from '../../../src/report/normalise/container-runtime.ts';
import { normaliseKernelVersion } from '../../../src/report/normalise/kernel-version.ts';
import { normaliseKubernetesVersion } from '../../../src/report/normalise/kubernetes-version.ts';
import { normaliseOsImage } from '../../../src/report/normalise/os-image.ts';
import { normaliseArchitecture, normaliseOperatingSystem } from '../../../src/report/normalise/platform.ts';
import { normaliseResourceName } from '../../../src/report/normalise/resource-name.ts';
import { kernelKeeps, kubernetesKeeps, osImageKeeps, resourceKeeps, runtimeKeeps } from './features.ts';

interface Value {
  readonly value: string;
  readonly field?: string;
}

const folder = join(import.meta.dirname, '..', '..');
const fixture = JSON.parse(readFileSync(join(folder, 'fixtures/values/node-values.json'), 'utf8')) as Record<
  string,
  readonly Value[]
>;

const normalisers: Record<string, (value: string) => string> = {
  osImage: normaliseOsImage,
  kernelVersion: normaliseKernelVersion,
  kubeletVersion: normaliseKubernetesVersion,
  containerRuntimeVersion: normaliseContainerRuntime,
  resourceName: normaliseResourceName,
  operatingSystem: normaliseOperatingSystem,
  architecture: normaliseArchitecture,
  providerID: normaliseCloudProvider,
};

function normalise(field: string, value: string): string {
  const normaliser = normalisers[field];
  if (normaliser === undefined) throw new Error(`There is no normaliser for ${field}.`);
  return normaliser(value);
}

function valuesOf(list: string): readonly string[] {
  return (fixture[list] ?? []).map(({ value }) => value);
}

/** The values of a list as lines, those that change with what they become. */
function tableOf(list: string, field: string, suffix = ''): string[] {
  const lines = valuesOf(list).map((value) => {
    const normalised = normalise(field, value + suffix);
    return value === normalised ? `  ${value}` : `  ${value}  =>  ${normalised === '' ? '(empty)' : normalised}`;
  });
  return [`${list} (${lines.length})`, ...lines.toSorted(), ''];
}

test('the golden table shows what becomes of each value that nodes report', async () => {
  const lines = [
    'Values that nodes report (test/fixtures/values) and their normalised form; without an arrow they stay as they are.',
    '',
    ...['osImage', 'kernelVersion', 'kubeletVersion', 'containerRuntimeVersion', 'resourceName'].flatMap((list) =>
      tableOf(list, list),
    ),
    ...tableOf('operatingSystem', 'operatingSystem'),
    ...tableOf('architecture', 'architecture'),
    ...tableOf('providerPrefix', 'providerID', '://machine'),
    `identifying (${fixture['identifying']?.length})`,
    ...(fixture['identifying'] ?? []).map(
      ({ value, field = '' }) => `  ${field}: ${value}  =>  ${normalise(field, value)}`,
    ),
  ];
  await expect(`${lines.join('\n')}\n`).toMatchFileSnapshot(join(folder, 'golden/normalised-values.txt'));
});

describe('statistics keep what they need of at least 95 % of each list', () => {
  test.each([
    ['osImage', osImageKeeps, 0.99],
    ['kernelVersion', kernelKeeps, 0.99],
    ['kubeletVersion', kubernetesKeeps, 0.99],
    ['containerRuntimeVersion', runtimeKeeps, 0.99],
    ['resourceName', resourceKeeps, 0.99],
  ] as const)('%s', (list, keeps, share) => {
    const values = valuesOf(list);
    const lost = values.filter((value) => !keeps(value, normalise(list, value)));
    expect(values.length).toBeGreaterThan(100);
    expect(lost.length).toBeLessThanOrEqual(values.length * (1 - share));
  });

  test('cloud providers', () => {
    const lost = valuesOf('providerPrefix').filter((cloud) => normaliseCloudProvider(`${cloud}://x/y`) !== cloud);
    expect(lost).toEqual([]);
  });
});

test.each([
  ['kernelVersion', '6.11.1-0_fbk0_rc13_509_g30d75cea12f7', '6.11.1-0+custom'],
  ['kernelVersion', '4.19.90-vhulk2206.1.0.h1194.eulerosv2r10.aarch64', '4.19.90.eulerosv2r10.aarch64+custom'],
  ['kernelVersion', '5.14.0-687.42.1+2.1.el9_8_ciq.x86_64', '5.14.0-687.42.1.el9_8.x86_64+custom'],
  ['osImage', 'Talos (40ae00d-dirty)', 'Talos'],
  ['resourceName', 'cex.s390.ibm.com/CCA_for_customer_1', 'cex.s390.ibm.com/other'],
  ['resourceName', 'networking.gke.io.networks/Red-Network.IP', 'networking.gke.io.networks/other'],
  ['resourceName', 'bridge.network.kubevirt.io/testBridge', 'bridge.network.kubevirt.io/other'],
  ['resourceName', 'akri.sh/akri-udev-1b1088', 'akri.sh/other'],
  ['resourceName', 'akri.sh/akri-enocean-stick', 'akri.sh/other'],
  ['providerID', 'k3s://hami-workshop', 'k3s'],
  ['providerID', 'rke2://vgpu-test-1', 'rke2'],
  ['providerID', 'k3s://ip-172-31-16-232', 'k3s'],
  ['providerID', 'cn-zhangjiakou.i-8vb2y0cdlriptkfer0ir', 'alicloud'],
  ['providerID', 'nutanix://mycluster-m1', 'nutanix'],
])('the part of a %s that identifies is cut: %s', (field, value, expected) => {
  expect(fixture['identifying']).toContainEqual(expect.objectContaining({ field, value }));
  expect(normalise(field, value)).toBe(expected);
});

test.each([
  ['osImage', 'Acme Linux host db-01.payments.acme.example, owner jane.doe@acme.example, serial C02XK1', 'other'],
  ['osImage', 'Debian GNU/Linux 12 (db-01.payments.acme.example)', 'Debian GNU/Linux 12'],
  ['kernelVersion', '6.1.0-jdoe@ci17.acme.example', '6.1.0+custom'],
  ['kernelVersion', '6.1.0-18-jdoe-amd64', '6.1.0-18-amd64+custom'],
  ['kernelVersion', '10.20.30.40', '10.20+custom'],
  ['kernelVersion', '6.1.0-192.168.7.13', '6.1.0-192.168+custom'],
  ['kernelVersion', '6.1.0-192.168.7.9999', '6.1.0-192.168+custom'],
  ['kubeletVersion', 'v1.31.4-eks-10-20-30-40', 'v1.31.4-eks-10-20+custom'],
  ['kubeletVersion', 'v1.31.4-gke.192.168.7', 'v1.31.4-gke.192.168+custom'],
  ['operatingSystem', 'linux password=hunter2', 'other'],
  ['architecture', 'amd64 on db-01', 'other'],
  ['resourceName', 'customer-77.example.com/gpu', 'other'],
  ['resourceName', 'smarter-devices/john.doe', 'smarter-devices/other'],
  ['resourceName', 'attachable-volumes-csi-csi.acme.example', 'attachable-volumes-other'],
  ['kubeletVersion', 'v1.31.4-acmebank-prod-frankfurt+jdoe', 'v1.31.4+custom'],
  ['kubeletVersion', 'v1.29.0-eks-5e0fdde', 'v1.29.0-eks'],
  ['kubeletVersion', 'v1.27.6+f67aeb3', 'v1.27.6+custom'],
  ['kubeletVersion', 'acme', 'other'],
  ['containerRuntimeVersion', 'containerd://1.7.3-acme-k3s2', 'containerd://1.7.3-k3s2+custom'],
  ['containerRuntimeVersion', 'docker-for-acme://1.2', 'other'],
  ['containerRuntimeVersion', 'docker://Unknown', 'docker'],
  ['providerID', 'ocid1.instance.oc1.phx.anyhqljtxxxxxxxxxxxxxxxxxxxx', 'oci'],
  ['providerID', 'cn-hangzhou.db-01.acme.example', 'unknown'],
  ['providerID', 'aws://a://b', 'unknown'],
  ['providerID', '', 'unknown'],
])('free text does not leave: %s %s', (field, value, expected) => {
  expect(normalise(field, value)).toBe(expected);
});

test('the cloud of any provider id is a name of the list, or unknown', () => {
  const known = [...Object.keys(clouds), 'unknown'];
  const id = fc.oneof(
    fc.string(),
    // fc.webUrl may take a second to begin with.
    fc
      .tuple(fc.constantFrom('https', 'aws', 'acme'), fc.domain(), fc.string())
      .map(([scheme, host, path]) => `${scheme}://${host}/${path}`),
    fc.uuid(),
    fc.string().map((text) => `cn-hangzhou.i-${text}`),
  );
  fc.assert(
    fc.property(id, (providerId) => {
      expect(known).toContain(normaliseCloudProvider(providerId));
    }),
  );
});

const TEXT_FIELDS = ['osImage', 'kernelVersion', 'kubeletVersion', 'containerRuntimeVersion'];

test.each([...TEXT_FIELDS, 'operatingSystem', 'architecture', 'resourceName'])(
  'the normalised values of %s stay as they are when they are normalised again',
  (field) => {
    const normalised = valuesOf(field).map((value) => normalise(field, value));

    expect(normalised.length).toBeGreaterThan(0);
    expect(normalised.map((value) => normalise(field, value))).toEqual(normalised);
  },
);

test.each(TEXT_FIELDS)('of %s, what follows the first 256 characters is not read, and space is nothing', (field) => {
  const [known = ''] = valuesOf(field);

  expect(normalise(field, known)).not.toBe('');
  expect(normalise(field, ' '.repeat(255 - known.length) + known)).toBe(normalise(field, known));
  expect(normalise(field, ' '.repeat(256) + known)).toBe('');
});

test('an empty value stays empty', () => {
  for (const field of [...TEXT_FIELDS, 'operatingSystem', 'architecture']) expect(normalise(field, '')).toBe('');
});

test.each([
  ['docker', 'docker'],
  [' docker ', 'docker'],
  ['docker-for-jane', 'other'],
  ['jane://1.2', 'other'],
  ['docker://', 'docker'],
  ['docker://jane', 'docker'],
  ['containerd://v1.7.3', 'containerd://v1.7.3'],
  ['containerd://1.7.3-1', 'containerd://1.7.3-1'],
  ['containerd://1.7.3-jane', 'containerd://1.7.3+custom'],
])('the container runtime %s becomes %s', (text, normalised) => {
  expect(normalise('containerRuntimeVersion', text)).toBe(normalised);
});
