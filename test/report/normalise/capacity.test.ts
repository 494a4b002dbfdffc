import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { normaliseCapacity, normaliseResourceName } from '../../../src/report/normalise/resource-name.ts';

test('known resources stay with their quantities, in their order', () => {
  const capacity = [
    { resource: 'cpu', value: '4' },
    { resource: 'hugepages-2Mi', value: '0' },
    { resource: 'memory', value: '16375028Ki' },
    { resource: 'nvidia.com/mig-1g.5gb', value: '7' },
  ];
  expect(normaliseCapacity(capacity)).toEqual(capacity);
});

test('unknown resources become one "other" for each known domain and one for all other domains, with their number', () => {
  expect(
    normaliseCapacity([
      { resource: 'cpu', value: '4' },
      { resource: 'customer-77.example.org/gpu', value: '3' },
      { resource: 'smarter-devices/john.doe', value: '20' },
      { resource: 'smarter-devices/jane.doe', value: '20' },
      { resource: 'db-01', value: '1' },
      { resource: 'attachable-volumes-csi-csi.acme.example', value: '39' },
    ]),
  ).toEqual([
    { resource: 'cpu', value: '4' },
    { resource: 'other', value: '2' },
    { resource: 'smarter-devices/other', value: '2' },
    { resource: 'attachable-volumes-other', value: '1' },
  ]);
});

test('a value that is no quantity becomes empty', () => {
  expect(normaliseCapacity([{ resource: 'cpu', value: 'jane.doe@acme.example' }])).toEqual([
    { resource: 'cpu', value: '' },
  ]);
});

test.each([
  ['other', 'customer-77.example.org/gpu'],
  ['smarter-devices/other', 'smarter-devices/john.doe'],
  ['attachable-volumes-other', 'attachable-volumes-acme'],
])('the number in a value of "%s" is counted on when it is normalised again', (other, unknown) => {
  const count = (...values: readonly string[]) =>
    normaliseCapacity(values.map((value) => ({ resource: other, value })));

  expect(count('5', '123456')).toEqual([{ resource: other, value: '123461' }]);
  // What is no number of resources is one resource.
  for (const value of ['1234567', '5Ki', 'x5', ''])
    expect(count('5', value)).toEqual([{ resource: other, value: '6' }]);
  expect(normaliseCapacity([{ resource: unknown, value: '5' }])).toEqual([{ resource: other, value: '1' }]);
});

test.each([
  ['cpu', 'cpu'],
  ['jane', 'other'],
  ['', 'other'],
  ['nvidia.com/gpu', 'nvidia.com/gpu'],
  ['nvidia.com/jane', 'nvidia.com/other'],
  ['nvidia.com/', 'nvidia.com/other'],
  ['NVIDIA.com/gpu', 'other'],
  ['jane.example/gpu', 'other'],
  ['/gpu', 'other'],
  ['*/gpu', 'other'],
  ['kubernetes/cpu', 'other'],
  ['attachable-volumes-csi/cinder.csi.openstack.org', 'other'],
  ['attachable-volumes-csi-cinder.csi.openstack.org', 'attachable-volumes-csi-cinder.csi.openstack.org'],
  ['attachable-volumes-csi-jane', 'attachable-volumes-other'],
  ['attachable-volumes-csi_cinder.csi.openstack.org', 'attachable-volumes-other'],
  ['attachable-volumes-aws-ebs', 'attachable-volumes-aws-ebs'],
  ['attachable-volumes-jane', 'attachable-volumes-other'],
  ['jane-attachable-volumes-aws-ebs', 'other'],
  [`nvidia.com/${'x'.repeat(306)}`, 'nvidia.com/other'],
  [`nvidia.com/${'x'.repeat(307)}`, 'other'],
])('the resource %s becomes %s', (resource, name) => {
  expect(normaliseResourceName(resource)).toBe(name);
});

test('normalising twice changes nothing, and nothing of an unknown name or value remains', () => {
  const resource = fc.oneof(
    fc.string(),
    fc.constantFrom('cpu', 'memory', 'other', 'nvidia.com/gpu', 'nvidia.com/other', 'akri.sh/akri-udev-1b1088'),
    fc.string().map((name) => `smarter-devices/${name}`),
  );
  const value = fc.oneof(
    fc.string(),
    fc.nat().map(String),
    fc.nat().map((number) => `${number}Ki`),
  );
  fc.assert(
    fc.property(fc.array(fc.record({ resource, value })), (resources) => {
      const once = normaliseCapacity(resources);
      expect(normaliseCapacity(once)).toEqual(once);
      expect(once.length).toBeLessThanOrEqual(resources.length);
      for (const { value: quantity } of once) expect(quantity).toMatch(/^[-+]?[0-9.]*[A-Za-z]{0,2}[-+]?\d{0,2}$/);
    }),
  );
});
