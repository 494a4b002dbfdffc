import { expect, test } from 'vitest';
import cloudRegions from '../../src/report/known-values/cloud-regions.json' with { type: 'json' };
import countries from '../../src/report/known-values/countries.json' with { type: 'json' };
import kubermatic from '../../src/report/known-values/kubermatic.json' with { type: 'json' };
import {
  countryOf,
  plainVersionOf,
  providerOf,
  regionKeyOf,
  regionOf,
  versionOf,
  wordOf,
} from '../../src/report/kubermatic-enums.ts';

test.each([
  ['DE', 'DE'],
  ['us', 'US'],
  ['GB', 'GB'],
  // Two letters that are not assigned: user-assigned, reserved, and unused codes.
  ['XX', undefined],
  ['ZZ', undefined],
  ['UK', undefined],
  ['EU', undefined],
  ['XK', undefined],
  ['AA', undefined],
  ['DEU', undefined],
  ['Germany', undefined],
  ['D', undefined],
  ['', undefined],
  [undefined, undefined],
])('the country %j is %j', (text, country) => {
  expect(countryOf(text)).toBe(country);
});

test.each([
  ['v2.25.0', 'v2.25.0', '2.25.0'],
  ['v3.26', 'v3.26', '3.26.0'],
  ['1.14.3', '1.14.3', '1.14.3'],
  ['v2.25.0-rc.1', 'v2.25.0-rc.1', '2.25.0-rc.1'],
  ['v2.25.0-beta.0', 'v2.25.0-beta.0', '2.25.0-beta.0'],
  ['1.31.0-alpha3', '1.31.0-alpha3', '1.31.0-alpha3'],
  ['v2.25.0-ee', 'v2.25.0-ee', '2.25.0-ee'],
  ['v2.25.0-rc.1-ee', 'v2.25.0-rc.1-ee', '2.25.0-rc.1-ee'],
  ['v2.25.0-15-g1a2b3c4', 'v2.25.0+custom', '2.25.0+custom'],
  ['v2.25.0-rc.1-15-g1a2b3c4', 'v2.25.0-rc.1+custom', '2.25.0-rc.1+custom'],
  ['v1.31.4-acmebank-prod-frankfurt+jdoe', 'v1.31.4+custom', '1.31.4+custom'],
  ['v1.31.4+jane.doe', 'v1.31.4+custom', '1.31.4+custom'],
  ['v1.31.4-rcjane', 'v1.31.4+custom', '1.31.4+custom'],
  ['v1.31.4-rc.1.2.3.4', 'v1.31.4-rc.1+custom', '1.31.4-rc.1+custom'],
  ['v1.31.4-4155550123', 'v1.31.4+custom', '1.31.4+custom'],
  ['v1.31.4-rc\njane', 'v1.31.4-rc+custom', '1.31.4-rc+custom'],
  ['v1.31.4+custom', 'v1.31.4+custom', '1.31.4+custom'],
  ['10.0.0.7', undefined, undefined],
  ['2024.12.24', undefined, undefined],
  ['v1', undefined, undefined],
  ['jane.doe', undefined, undefined],
  ['', undefined, undefined],
  [undefined, undefined, undefined],
])('the version %j is %j, and %j of a cluster', (text, version, plain) => {
  expect([versionOf(text), plainVersionOf(text)]).toStrictEqual([version, plain]);
});

test.each([
  ['aws', 'eu-central-1', 'eu-central-1'],
  ['aws', 'westeurope', 'unknown'],
  ['openstack', 'basement', 'unknown'],
  ['constructor', 'name', 'unknown'],
])('the region of %s %s is %s', (provider, region, known) => {
  expect(regionOf(provider, region)).toBe(known);
});

test('words and providers are on their lists', () => {
  expect([wordOf('edition', 'EE'), wordOf('edition', 'Acme Edition')]).toStrictEqual(['EE', undefined]);
  expect([providerOf(['dc', 'aws']), providerOf(['acme']), providerOf(['aws', 'gcp'], 'gcp')]).toStrictEqual([
    'aws',
    undefined,
    'gcp',
  ]);
  expect([regionKeyOf('azure'), regionKeyOf('kubevirt')]).toStrictEqual(['location', undefined]);
});

test('every list has a source, and no value twice', () => {
  for (const { source, values } of [countries, ...Object.values(cloudRegions), ...Object.values(kubermatic)]) {
    expect(source).toMatch(/^\S.*\S$/);
    const all = Object.keys(Array.isArray(values) ? Object.fromEntries(values.map((value) => [value, 1])) : values);
    expect(all).toHaveLength(Array.isArray(values) ? values.length : Object.keys(values).length);
  }
  expect(countries.values).toHaveLength(249);
  expect(countries.values).toStrictEqual(countries.values.toSorted());
  expect(Object.keys(kubermatic.regionKeys.values).filter((name) => providerOf([name]) === undefined)).toStrictEqual(
    [],
  );
});
