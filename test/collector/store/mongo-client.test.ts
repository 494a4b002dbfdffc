import { expect, test } from 'vitest';
import {
  createMongoClient,
  databaseName,
  describeError,
  statisticsReadPreference,
} from '../../../src/collector/store/mongo-client.ts';
import { failureOf } from '../../support/failure.ts';

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

test('a message without a password is shown as it is', () => {
  expect(describeError({ uri: 'mongodb://db.example/' }, new Error('the value is undefined'))).toBe(
    'mongodb://db.example/: the value is undefined',
  );
});

test.each([
  ['mongodb://db.example', 'spartakus'],
  ['mongodb://db.example/', 'spartakus'],
  ['mongodb://db.example/?w=majority', 'spartakus'],
  ['mongodb://u:p@a.example,b.example:1/my%20reports?w=majority', 'my reports'],
  ['mongodb+srv://db.example/reports', 'reports'],
])('%s names the database %s', (string, name) => {
  expect(databaseName(string)).toBe(name);
});

test.each([
  ['a time for a write', 10_000, '', { wtimeoutMS: 8_000 }],
  ['no time for a write, such as to read a collection that is large', 0, '', {}],
  ['a time of its own', 10_000, '?wtimeoutMS=7', { wtimeoutMS: 7 }],
])('with %s, the wait for a majority has its time', async (_what, storeTimeoutMs, query, expected) => {
  const client = createMongoClient({
    appName: 'test',
    connectTimeoutMs: 1,
    storeTimeoutMs,
    uri: `mongodb://db.example/${query}`,
  });

  const { w, journal, wtimeoutMS } = client.options.writeConcern;
  await client.close();

  expect({ w, journal, ...(wtimeoutMS === undefined ? {} : { wtimeoutMS }) }).toStrictEqual({
    w: 'majority',
    journal: true,
    ...expected,
  });
});

test('a mode that MongoDB does not have is an error with its cause', async () => {
  const invalid = 'mongodb://db.example/?readPreference=fastest';
  const reading = Promise.resolve(invalid).then(statisticsReadPreference);
  await expect(failureOf(reading)).resolves.toMatchObject({ kind: 'invalid' });

  const options = { appName: 'test', connectTimeoutMs: 1, storeTimeoutMs: 1, uri: invalid };
  await expect(failureOf(Promise.resolve(options).then(createMongoClient))).resolves.toMatchObject({
    cause: { kind: 'invalid' },
  });
});
