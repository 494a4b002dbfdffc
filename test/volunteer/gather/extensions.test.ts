import { rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { checkExtensions, type ExtensionsOptions, readExtensions } from '../../../src/volunteer/gather/extensions.ts';
import { failureOf } from '../../support/failure.ts';
import { withFiles } from '../../support/files.ts';

/** The extensions of a path without problems. */
async function read(place: string, options?: ExtensionsOptions) {
  const { extensions, problems } = await readExtensions(place, options);
  expect(problems).toStrictEqual([]);
  return extensions;
}

test('a string is used as it is, and any other value as compact JSON', async () => {
  const content = '{"a": " text ", "b": 1.50, "c": true, "d": null, "e": {"x": [1, 2]}, "f": ""}';
  await withFiles({ 'e.json': content }, async (dir) => {
    await expect(read(path.join(dir, 'e.json'))).resolves.toStrictEqual([
      { name: 'a', value: ' text ' },
      { name: 'b', value: '1.5' },
      { name: 'c', value: 'true' },
      { name: 'd', value: 'null' },
      { name: 'e', value: '{"x":[1,2]}' },
      { name: 'f', value: '' },
    ]);
  });
});

test('sub-directories of a directory are skipped, as in the original, and are no problem', async () => {
  await withFiles({ 'private/p.json': '{"p":"hunter2"}', 'e.json': '{"e":"1"}' }, async (dir) => {
    await symlink('private', path.join(dir, 'link'));

    await expect(read(dir)).resolves.toStrictEqual([{ name: 'e', value: '1' }]);
  });
});

test('with `recursive` a directory is read with its sub-directories in the order of names, without names that begin with a dot', async () => {
  const files = {
    'b/c.json': '{"b/c":"2"}',
    'b/a.json': '{"b/a":"1"}',
    'c.json': '{"c":"3"}',
    a: '{"a":"0"}',
    '.hidden': 'not JSON',
    '.git/x': '[]',
    empty: '\n',
  };
  await withFiles(files, async (dir) => {
    await expect(read(dir, { recursive: true })).resolves.toStrictEqual([
      { name: 'a', value: '0' },
      { name: 'b/a', value: '1' },
      { name: 'b/c', value: '2' },
      { name: 'c', value: '3' },
    ]);
  });
});

test('a link to one of its parent directories is not an endless loop', async () => {
  await withFiles({ 'a/e': '{"a":"1"}' }, async (dir) => {
    await symlink('..', path.join(dir, 'a', 'up'));

    await expect(read(dir, { recursive: true })).resolves.toStrictEqual([{ name: 'a', value: '1' }]);
  });
});

test('a mounted ConfigMap can be read, before and after an update', async () => {
  await withFiles({ '..v1/e.json': '{"a":"1"}', '..v2/e.json': '{"a":"2"}' }, async (dir) => {
    await symlink('..v1', path.join(dir, '..data'));
    await symlink('..data/e.json', path.join(dir, 'e.json'));
    const before = await read(dir);
    await rm(path.join(dir, '..data'));
    await symlink('..v2', path.join(dir, '..data'));

    const after = await read(dir);

    expect([before, after]).toStrictEqual([[{ name: 'a', value: '1' }], [{ name: 'a', value: '2' }]]);
  });
});

test('each call reads the files again', async () => {
  await withFiles({ e: '{"a":"1"}' }, async (dir) => {
    const file = path.join(dir, 'e');
    await read(file);
    await writeFile(file, '{"a":"2"}');

    await expect(read(file)).resolves.toStrictEqual([{ name: 'a', value: '2' }]);
  });
});

const LABEL_63 = 'a'.repeat(63);
const SUBDOMAIN_253 = `${`${LABEL_63}.`.repeat(3)}${'b'.repeat(61)}`;

test.each(['hello', 'Hello_World.v1-x', '1', LABEL_63, 'example.com/hello', `${SUBDOMAIN_253}/x`, 'a/B'])(
  'the key %s is a qualified name',
  async (key) => {
    await withFiles({ e: JSON.stringify({ [key]: 'v' }) }, async (dir) => {
      await expect(read(dir)).resolves.toStrictEqual([{ name: key, value: 'v' }]);
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
])('the key %j is a problem that names file and key, and other keys are read', async (key, problem) => {
  await withFiles({ e: `{"before": "1", ${JSON.stringify(key)}: "hunter2", "behind": "2"}` }, async (dir) => {
    const { extensions, problems } = await readExtensions(dir);

    expect(extensions.map(({ name }) => name)).toStrictEqual(['before', 'behind']);
    expect(problems).toStrictEqual([
      {
        reason: 'not a qualified name',
        message: expect.stringContaining(
          `--extensions ${path.join(dir, 'e')}: the key ${JSON.stringify(key)} ${problem}`,
        ) as string,
      },
    ]);
    expect(problems[0]?.message).not.toContain('hunter2');
  });
});

const BROKEN_FILES = [
  ['a broken file', '{"a": hunter2', 'is not JSON'],
  ['a list', '["hunter2"]', 'is not a JSON object'],
  ['a string', '"hunter2"', 'is not a JSON object'],
  ['null', 'null', 'is not a JSON object'],
] as const;

test.each(BROKEN_FILES)(
  '%s is a problem that names the file without its content, and other files are read',
  async (_, content, problem) => {
    await withFiles({ a: '{"a":"1"}', e: content, f: '{"f":"2"}' }, async (dir) => {
      const { extensions, problems } = await readExtensions(dir);

      expect(extensions.map(({ name }) => name)).toStrictEqual(['a', 'f']);
      expect(problems.map(({ reason }) => reason)).toStrictEqual(['not a JSON object']);
      expect(problems[0]?.message).toContain(`--extensions ${path.join(dir, 'e')}: ${problem}`);
      expect(problems[0]?.message).not.toContain('hunter2');
    });
  },
);

test.each(BROKEN_FILES)('checkExtensions() rejects %s as the only file', async (_, content, problem) => {
  await withFiles({ e: content }, async (dir) => {
    const error = await failureOf(checkExtensions(path.join(dir, 'e')));

    expect(error).toMatchObject({ kind: 'invalid', field: '--extensions' });
    expect(error.message).toContain(`--extensions ${path.join(dir, 'e')}: ${problem}`);
    expect(`${error.message} ${String(error.cause)}`).not.toContain('hunter2');
  });
});

test('checkExtensions() accepts a directory with invalid files', async () => {
  await withFiles({ e: 'not JSON' }, async (dir) => {
    await expect(checkExtensions(dir)).resolves.toBeUndefined();
  });
});

test('a broken link is a problem, and other files are read', async () => {
  await withFiles({ a: '{"a":"1"}' }, async (dir) => {
    await symlink('nowhere', path.join(dir, 'b'));

    const { extensions, problems } = await readExtensions(dir);

    expect(extensions).toHaveLength(1);
    expect(problems).toStrictEqual([
      {
        reason: 'unreadable file',
        message: expect.stringContaining(`${path.join(dir, 'b')}: cannot be read: ENOENT`) as string,
      },
    ]);
  });
});

test('a byte order mark is ignored', async () => {
  await withFiles({ e: '\uFEFF{"a":"1"}' }, async (dir) => {
    await expect(read(dir)).resolves.toStrictEqual([{ name: 'a', value: '1' }]);
  });
});

test('a missing path is an error of checkExtensions(), and a problem of readExtensions()', async () => {
  const error = await failureOf(checkExtensions('/nonexistent/e'));
  const { problems } = await readExtensions('/nonexistent/e');

  expect(error.message).toMatch(/^--extensions \/nonexistent\/e: cannot be read: ENOENT/);
  expect(problems).toStrictEqual([{ reason: 'unreadable file', message: error.message }]);
});
