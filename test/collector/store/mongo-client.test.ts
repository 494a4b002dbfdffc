import { expect, test } from 'vitest';
import { createMongoClient, describeError } from '../../../src/collector/store/mongo-client.ts';

const uri = 'mongodb://user:p%40ss%2Fword@db.example:27017/spartakus';

test.each([
  ['as it is written', 'p%40ss%2Fword'],
  ['decoded, as the driver has it', 'p@ss/word'],
])('a message of the driver with the password %s is shown without it', (_what, password) => {
  const shown = describeError({ uri }, new Error(`authentication of user:${password} failed`));

  expect(shown).toBe('mongodb://user:***@db.example:27017/spartakus: authentication of user:*** failed');
});

test('a message with the connection string is shown without its password', () => {
  expect(describeError({ uri, name: 'embedded:/data' }, new Error(`${uri} is wrong`))).toBe(
    'embedded:/data: mongodb://user:***@db.example:27017/spartakus is wrong',
  );
});

test('a password that cannot be decoded is an error of the flag, without the password', () => {
  const options = { appName: 'test', connectTimeoutMs: 1, storeTimeoutMs: 1 };

  expect(() => createMongoClient({ ...options, uri: 'mongodb://user:5%secret@db.example/' })).toThrow(
    expect.objectContaining({
      kind: 'invalid',
      message: expect.stringMatching(/^--database mongodb:\/\/user:\*\*\*@db\.example\/: (?!.*5%secret)/) as string,
    }),
  );
});
