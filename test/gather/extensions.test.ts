import { rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { readExtensions } from '../../src/gather/extensions.ts';
import { failureOf } from '../support/failure.ts';
import { withFiles } from '../support/files.ts';

test('a text is taken as it is, and any other value as compact JSON', async () => {
  const content = '{"a": " text ", "b": 1.50, "c": true, "d": null, "e": {"x": [1, 2]}, "f": ""}';
  await withFiles({ 'e.json': content }, async (dir) => {
    await expect(readExtensions(path.join(dir, 'e.json'))).resolves.toStrictEqual([
      { name: 'a', value: ' text ' },
      { name: 'b', value: '1.5' },
      { name: 'c', value: 'true' },
      { name: 'd', value: 'null' },
      { name: 'e', value: '{"x":[1,2]}' },
      { name: 'f', value: '' },
    ]);
  });
});

test('a directory is all its files in the order of their names, without those that begin with a dot and without sub-directories', async () => {
  const files = { 'b.json': '{"b":"2"}', a: '{"a":"1"}', '.hidden': 'not JSON', 'sub/c.json': '{"c":"3"}', empty: '\n' };
  await withFiles(files, async (dir) => {
    await expect(readExtensions(dir)).resolves.toStrictEqual([
      { name: 'a', value: '1' },
      { name: 'b', value: '2' },
    ]);
  });
});

test('a mounted ConfigMap works, and its next version is read', async () => {
  await withFiles({ '..v1/e.json': '{"a":"1"}', '..v2/e.json': '{"a":"2"}' }, async (dir) => {
    await symlink('..v1', path.join(dir, '..data'));
    await symlink('..data/e.json', path.join(dir, 'e.json'));
    const before = await readExtensions(dir);
    await rm(path.join(dir, '..data'));
    await symlink('..v2', path.join(dir, '..data'));

    const after = await readExtensions(dir);

    expect([before, after]).toStrictEqual([[{ name: 'a', value: '1' }], [{ name: 'a', value: '2' }]]);
  });
});

test('a file is read again at each call', async () => {
  await withFiles({ e: '{"a":"1"}' }, async (dir) => {
    const file = path.join(dir, 'e');
    await readExtensions(file);
    await writeFile(file, '{"a":"2"}');

    await expect(readExtensions(file)).resolves.toStrictEqual([{ name: 'a', value: '2' }]);
  });
});

const LABEL_63 = 'a'.repeat(63);
const SUBDOMAIN_253 = `${`${LABEL_63}.`.repeat(3)}${'b'.repeat(61)}`;

test.each(['hello', 'Hello_World.v1-x', '1', LABEL_63, 'example.com/hello', `${SUBDOMAIN_253}/x`, 'a/B'])(
  'the key %s is a qualified name',
  async (key) => {
    await withFiles({ e: JSON.stringify({ [key]: 'v' }) }, async (dir) => {
      await expect(readExtensions(dir)).resolves.toStrictEqual([{ name: key, value: 'v' }]);
    });
  },
);

test.each([
  ['', 'has a name that is not'],
  ['-a', 'has a name that is not'],
  ['a-', 'has a name that is not'],
  ['with space', 'has a name that is not'],
  ['ä', 'has a name that is not'],
  ['__proto__', 'has a name that is not'],
  [`${LABEL_63}a`, 'has a name that is not'],
  ['example.com/', 'has a name that is not'],
  ['a/b/c', 'has a name that is not'],
  ['/hello', 'has a prefix that is not a DNS subdomain'],
  ['Example.com/hello', 'has a prefix that is not a DNS subdomain'],
  ['example..com/hello', 'has a prefix that is not a DNS subdomain'],
  ['ex_ample.com/hello', 'has a prefix that is not a DNS subdomain'],
  [`${SUBDOMAIN_253}b/x`, 'has a prefix that is not a DNS subdomain'],
])('the key %j is refused, by file and key', async (key, problem) => {
  await withFiles({ e: `{${JSON.stringify(key)}: "v"}` }, async (dir) => {
    const error = await failureOf(readExtensions(dir));

    expect(error).toMatchObject({ kind: 'invalid', field: '--extensions' });
    expect(error.message).toContain(`--extensions ${path.join(dir, 'e')}: the key ${JSON.stringify(key)} ${problem}`);
  });
});

test.each([
  ['a broken file', '{"a": hunter2', 'is not JSON'],
  ['a list', '["hunter2"]', 'is not a JSON object'],
  ['a text', '"hunter2"', 'is not a JSON object'],
  ['null', 'null', 'is not a JSON object'],
])('%s is refused by its name, and its content is not repeated', async (_, content, problem) => {
  await withFiles({ e: content }, async (dir) => {
    const error = await failureOf(readExtensions(path.join(dir, 'e')));

    expect(error.message).toContain(`--extensions ${path.join(dir, 'e')}: ${problem}`);
    expect(`${error.message} ${String(error.cause)}`).not.toContain('hunter2');
  });
});

test('a byte order mark does no harm', async () => {
  await withFiles({ e: '\uFEFF{"a":"1"}' }, async (dir) => {
    await expect(readExtensions(dir)).resolves.toStrictEqual([{ name: 'a', value: '1' }]);
  });
});

test('a path that is not there is named', async () => {
  const error = await failureOf(readExtensions('/nonexistent/e'));

  expect(error.message).toMatch(/^--extensions \/nonexistent\/e: cannot be read: ENOENT/);
});
