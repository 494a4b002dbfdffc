import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import clouds from '../../../src/report/known-values/clouds.json' with { type: 'json' };
import distributionWords from '../../../src/report/known-values/distribution-words.json' with { type: 'json' };
import distributions from '../../../src/report/known-values/distributions.json' with { type: 'json' };
import resources from '../../../src/report/known-values/resources.json' with { type: 'json' };
import runtimes from '../../../src/report/known-values/runtimes.json' with { type: 'json' };
import versionWords from '../../../src/report/known-values/version-words.json' with { type: 'json' };
import { normaliseOsImage } from '../../../src/report/normalise/os-image.ts';

const folder = join(import.meta.dirname, '../../../src/report/known-values');

function expectList(values: readonly string[]): void {
  expect(values).toEqual([...new Set(values)].toSorted());
  for (const value of values) expect(value).toMatch(/^\S(?:.{0,62}\S)?$/);
}

function expectSource(source: string): void {
  expect(source).toMatch(/^\S(?:.*\S)?$/);
}

test.each([
  ['clouds', clouds],
  ['runtimes', runtimes],
])('%s: sorted, each with its source', (_, list) => {
  expect(Object.keys(list).length).toBeGreaterThan(10);
  expectList(Object.keys(list));
  for (const source of Object.values(list)) expectSource(source);
});

test('distributions: sorted, each with its source, and no two that differ in case alone', () => {
  const names = Object.keys(distributions);
  expectList(names);
  expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
  for (const entry of Object.values(distributions)) {
    expectSource(typeof entry === 'string' ? entry : entry.source);
    if (typeof entry !== 'string') expectList(entry.words);
  }
});

test('resources: sorted, each domain with its source', () => {
  expect(Object.keys(resources)).toEqual(Object.keys(resources).toSorted());
  for (const { source, kinds } of Object.values(resources)) {
    expectSource(source);
    expectList(kinds);
  }
});

test('words: sorted, each group with its source, and no word twice', () => {
  for (const groups of [distributionWords, versionWords]) {
    for (const { source, values } of groups) {
      expectSource(source);
      expectList(values);
    }
    const all = groups.flatMap(({ values }) => values).map((word) => word.toLowerCase());
    expect(all.filter((word, index) => all.indexOf(word) !== index)).toEqual([]);
  }
  for (const { kind } of versionWords) expect(['build', 'flavour', 'hashed', 'vendor']).toContain(kind);
});

test('no word with a number of any length has the form of the start of a UUID', () => {
  const distributionOwn = Object.values(distributions).flatMap((entry) =>
    typeof entry === 'string' ? [] : entry.words,
  );
  const all = [...distributionOwn, ...[...distributionWords, ...versionWords].flatMap(({ values }) => values)];

  expect(all.filter((word) => word.includes('#') && /^[0-9a-f]{8}$/i.test(word.replace('#', '1234567')))).toEqual([]);
  expect(normaliseOsImage('UnionTech OS 0000001a-0000-1000-8000-000000000000')).toBe('UnionTech OS');
  expect(normaliseOsImage('UnionTech OS Server 20 1050e')).toBe('UnionTech OS Server 20 1050e');
});

test('the lists take less than 80 KB in the program', () => {
  const bytes = readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .map((file) => Buffer.byteLength(JSON.stringify(JSON.parse(readFileSync(join(folder, file), 'utf8')))));
  expect(bytes.length).toBe(9);
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThan(80 * 1024);
});

test('every cloud that was known stays known', () => {
  const known =
    'aws azure cloudstack gce mesos openstack ovirt photon rackspace vsphere alicloud civo digitalocean equinixmetal ' +
    'harvester hcloud hrobot ibm k3s kind kubevirt linode nutanix oci packet proxmox scaleway vultr';
  expect(Object.keys(clouds)).toEqual(expect.arrayContaining(known.split(' ')));
});
