import { expect, test } from 'vitest';
import { parseOmissions, resolveOmission } from '../../src/report/omitted-fields.ts';
import { listFields } from '../../src/report/schema-fields.ts';

test.each([
  ['osImage', { path: 'nodes[].osImage' }],
  ['nodes[].osImage', { path: 'nodes[].osImage' }],
  ['nodes.osImage', { path: 'nodes[].osImage' }],
  ['id', { path: 'nodes[].id' }],
  ['masterVersion', { path: 'masterVersion' }],
  ['capacity', { path: 'nodes[].capacity[]' }],
  ['capacity.value', { path: 'nodes[].capacity[].value' }],
  ['capacity.alpha.kubernetes.io/nvidia-gpu', { path: 'nodes[].capacity[]', entry: 'alpha.kubernetes.io/nvidia-gpu' }],
  ['nodes[].capacity[].memory', { path: 'nodes[].capacity[]', entry: 'memory' }],
  ['extensions.example.com/hello', { path: 'extensions[]', entry: 'example.com/hello' }],
  ['workloads.pods', { path: 'workloads.pods[]' }],
  ['lifetimes', { path: 'lifetimes' }],
  ['nodes', { path: 'nodes[]' }],
])('%s means %j', (text, omission) => {
  expect(resolveOmission(text)).toStrictEqual(omission);
});

test('every field that is not required can be omitted by its path', () => {
  const paths = listFields()
    .filter(({ required }) => !required)
    .map(({ path }) => path);

  expect(paths.length).toBeGreaterThan(20);
  expect(paths.map((path) => resolveOmission(path).path)).toStrictEqual(paths);
});

test.each([
  'clusterID',
  'version',
  'timestamp',
  'reportID',
  'observedAt',
  'sequence',
  'capacity.resource',
  'missing.what',
])('%s cannot be omitted, and the error says so', (text) => {
  expect(() => resolveOmission(text)).toThrow(/^"[^"]+" cannot be omitted: /);
});

test.each([
  ['osimage', '"osimage" is not a field of a report: did you mean nodes[].osImage?'],
  ['nodes[].nothing', '"nodes[].nothing" is not a field of a report: see spartakus volunteer explain'],
  ['', '"" is not a field of a report'],
  ['capacity.-x', '"capacity.-x" is not a field of a report'],
  ['nodes.nodes.osImage', 'is not a field of a report'],
])('%j is not a path, and the error says where to look', (text, message) => {
  expect(() => resolveOmission(text)).toThrow(message);
});

test('paths are separated by commas, and spaces are ignored', () => {
  expect(parseOmissions('osImage, capacity.memory')).toStrictEqual([
    { path: 'nodes[].osImage' },
    { path: 'nodes[].capacity[]', entry: 'memory' },
  ]);
  expect(() => parseOmissions('osImage,,kernelVersion')).toThrow('"" is not a field');
});
