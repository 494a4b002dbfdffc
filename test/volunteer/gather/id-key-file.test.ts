import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openKeyFile, parseKey, readKeyFile, readStoredKey } from '../../../src/volunteer/gather/id-key-file.ts';
import { createKeptLog } from '../../support/log.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'spartakus-test-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function fileWith(content: string | Uint8Array): Promise<string> {
  const file = path.join(dir, 'id-key');
  await writeFile(file, content);
  return file;
}

const KEY = 'sixteen bytes ok';

describe('the key is the content of its file', () => {
  test.each([
    ['without a line break', KEY, KEY],
    ['with one', `${KEY}\n`, KEY],
    ['with one of Windows', `${KEY}\r\n`, KEY],
    ['with two, of which the first is part of the key', `${KEY}\n\n`, `${KEY}\n`],
    ['with a carriage return alone, which is part of the key', `${KEY}\r`, `${KEY}\r`],
    ['with spaces, which are part of the key', ` ${KEY} `, ` ${KEY} `],
  ])('%s', async (_what, content, key) => {
    const file = await fileWith(content);

    expect(Buffer.from(await readKeyFile(file)).toString()).toBe(key);
    expect(Buffer.from((await readStoredKey(file)) ?? []).toString()).toBe(key);
  });

  test('of any bytes', async () => {
    const key = Uint8Array.from({ length: 256 }, (_, byte) => 255 - byte);

    await expect(readKeyFile(await fileWith(key))).resolves.toStrictEqual(Buffer.from(key));
  });
});

describe('a key of 16 bytes is read, and one of 15 is not', () => {
  test('from --id-key-file', async () => {
    await expect(readKeyFile(await fileWith(KEY))).resolves.toHaveLength(16);
    await expect(readKeyFile(await fileWith(`${KEY.slice(1)}\r\n`))).rejects.toMatchObject({
      kind: 'invalid',
      field: '--id-key-file',
      message: expect.stringContaining('is a key of 15 bytes, and fewer than 16 can be guessed') as string,
    });
  });

  test('from a Secret or --spool-dir', async () => {
    expect(parseKey(Buffer.from(KEY))).toHaveLength(16);
    expect(parseKey(Buffer.from(`${KEY.slice(1)}\n`))).toBeUndefined();
    await expect(readStoredKey(await fileWith(KEY.slice(1)))).rejects.toMatchObject({ kind: 'invalid' });
  });
});

test('a created key is read back as it is', async () => {
  const options = { randomBytes, logger: createKeptLog().logger };

  const created = await openKeyFile(dir, options);

  expect(created).toHaveLength(64);
  await expect(openKeyFile(dir, options)).resolves.toStrictEqual(created);
  await expect(readKeyFile(path.join(dir, 'id-key'))).resolves.toStrictEqual(created);
});
