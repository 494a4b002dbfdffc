import { expect, test } from 'vitest';
import { normaliseKernelVersion } from '../../../src/report/normalise/kernel-version.ts';
import { normaliseKubernetesVersion } from '../../../src/report/normalise/kubernetes-version.ts';
import { OUTPUT_CHARS } from '../../../src/report/normalise/patterns.ts';

test.each([
  ['two numbers may follow the version, and a third may not', '6.1.0-1-2-3', '6.1.0-1-2+custom'],
  ['a number after a plus is cut', '6.1.0+5', '6.1.0+custom'],
  ['a number after a plus and a dash is cut', '6.1.0+-5', '6.1.0+custom'],
  ['a known word allows two numbers again', '6.1.0-1-2-amd64-3-4-5', '6.1.0-1-2-amd64-3-4+custom'],
  ['a number after an unknown word is cut', '6.1.0-jane-5', '6.1.0+custom'],
  ['a number after a known word that follows an unknown one is cut', '6.1.0-jane-amd64-5', '6.1.0-amd64+custom'],
  ['a word that counts builds stays', '6.1.0-rc1', '6.1.0-rc1'],
  ['a word that counts builds is cut after an unknown one', '6.1.0-jane-rc1', '6.1.0+custom'],
  ['the mark of changes in the tree stays', '6.12.55+', '6.12.55+'],
  ['the mark of changes in the tree is not added to one of a cut', '6.1.0-jane+', '6.1.0+custom'],
  ['another separator at the end is dropped', '6.1.0-', '6.1.0'],
  ['a word without a separator before it is cut', '6.1.0(amd64', '6.1.0+custom'],
  ['an address is cut and marked', '6.1.0-10.20.30.40', '6.1.0-10.20+custom'],
  ['a text of another form is "other"', 'jane-6.1.0', 'other'],
  ['a single number is no version', '6', 'other'],
  ['space around it is dropped', ' 6.1.0-amd64 ', '6.1.0-amd64'],
])('of a kernel, %s: %s becomes %s', (_what, text, normalised) => {
  expect(normaliseKernelVersion(text)).toBe(normalised);
});

test.each([
  ['a number after the version is cut', 'v1.31.4-1', 'v1.31.4+custom'],
  ['a plus at the end is dropped', 'v1.31.4+', 'v1.31.4'],
  ['the commit of a vendor that publishes it is dropped', 'v1.29.0-eks-5e0fdde', 'v1.29.0-eks'],
  ['the commit after the number of such a vendor is dropped', 'v1.29.0-eks-1-5e0fdde', 'v1.29.0-eks-1'],
  ['the commit after another word of such a vendor is cut', 'v1.29.0-eks-fips-5e0fdde', 'v1.29.0-eks-fips+custom'],
  ['the commit of another vendor is cut', 'v1.29.0-gke-5e0fdde', 'v1.29.0-gke+custom'],
  ['a second version stays with its letter', 'v1.19.10-vk-azure-aci-v1.4.1', 'v1.19.10-vk-azure-aci-v1.4.1'],
  ['space around it is dropped', ' v1.31.4 ', 'v1.31.4'],
])('of Kubernetes, %s: %s becomes %s', (_what, text, normalised) => {
  expect(normaliseKubernetesVersion(text)).toBe(normalised);
});

test('a suffix of twelve parts stays, and the thirteenth is cut', () => {
  const ofParts = (parts: number) => `6.1.0${'-amd64'.repeat(parts)}`;

  expect(normaliseKernelVersion(ofParts(12))).toBe(ofParts(12));
  expect(normaliseKernelVersion(ofParts(13))).toBe(`${ofParts(12)}+custom`);
});

test('a version that is as long as one with the mark may be stays, and a longer one is cut', () => {
  const longest = `6.1.0${'-generic'.repeat(11)}`;
  expect(longest.length).toBe(OUTPUT_CHARS - '+custom'.length);

  expect(normaliseKernelVersion(longest)).toBe(longest);
  expect(normaliseKernelVersion(`6.1.10${'-generic'.repeat(11)}`)).toBe(`6.1.10${'-generic'.repeat(10)}+custom`);
});
