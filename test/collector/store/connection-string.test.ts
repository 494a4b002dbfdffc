import { ReadPreference } from 'mongodb';
import { afterEach, expect, test } from 'vitest';
import {
  connectionOptionsOf,
  decode,
  rejectUnsafeOptions,
  withoutConnectionOptions,
} from '../../../src/collector/store/connection-string.ts';
import { createMongoClient, statisticsReadPreference } from '../../../src/collector/store/mongo-client.ts';
import { failureOf } from '../../support/failure.ts';

const HOSTS = 'mongodb://user:s3cret@a.example:27017,b.example:27017/spartakus';
const OPTIONS = { appName: 'spartakus-test', connectTimeoutMs: 5_000, storeTimeoutMs: 10_000 };

const clients: ReturnType<typeof createMongoClient>[] = [];
const optionsOf = (query: string) => {
  const client = createMongoClient({ ...OPTIONS, uri: `${HOSTS}?${query}` });
  clients.push(client);
  return client.options;
};
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

test('a connection has the settings of the collector', () => {
  expect(optionsOf('replicaSet=rs0')).toMatchObject({
    replicaSet: 'rs0',
    appName: 'spartakus-test',
    serverSelectionTimeoutMS: 5_000,
    connectTimeoutMS: 5_000,
    socketTimeoutMS: 10_000,
    waitQueueTimeoutMS: 10_000,
    heartbeatFrequencyMS: 5_000,
    maxPoolSize: 50,
    retryWrites: true,
    retryReads: true,
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: 8_000 },
    readPreference: ReadPreference.primary,
  });
});

test('what the connection string sets is kept', () => {
  const query =
    'appName=mine&serverSelectionTimeoutMS=1&connectTimeoutMS=2&socketTimeoutMS=3&waitQueueTimeoutMS=4&heartbeatFrequencyMS=600' +
    '&maxPoolSize=6&minPoolSize=5&RETRYWRITES=false&retryReads=false&wtimeoutMS=7&readConcernLevel=majority&compressors=zlib&w=majority';

  expect(optionsOf(query)).toMatchObject({
    appName: 'mine',
    serverSelectionTimeoutMS: 1,
    connectTimeoutMS: 2,
    socketTimeoutMS: 3,
    waitQueueTimeoutMS: 4,
    heartbeatFrequencyMS: 600,
    maxPoolSize: 6,
    minPoolSize: 5,
    retryWrites: false,
    retryReads: false,
    writeConcern: { w: 'majority', journal: true, wtimeoutMS: 7 },
    readConcern: { level: 'majority' },
    compressors: ['zlib'],
  });
});

test('the read preference of the connection string is for statistics only', () => {
  const query =
    'readPreference=nearest&readPreferenceTags=dc:ny,use:reports&readPreferenceTags=&maxStalenessSeconds=90';

  expect(optionsOf(query).readPreference).toStrictEqual(ReadPreference.primary);
  expect(statisticsReadPreference(`${HOSTS}?${query}`).toJSON()).toStrictEqual({
    mode: 'nearest',
    tags: [{ dc: 'ny', use: 'reports' }, {}],
    maxStalenessSeconds: 90,
  });
});

test.each([
  ['', { mode: 'secondaryPreferred', tags: [], maxStalenessSeconds: 120 }],
  ['maxStalenessSeconds=-1', { mode: 'secondaryPreferred', tags: [] }],
  ['readPreference=primary', { mode: 'primary' }],
])('figures are read with the read preference of "%s"', (query, expected) => {
  expect(statisticsReadPreference(`${HOSTS}?${query}`).toJSON()).toStrictEqual(expected);
});

test.each([
  ['w=0', /w=0 is rejected: a report counts as stored once a majority/],
  ['w=1', /w=1 is rejected/],
  ['W=2', /w=2 is rejected/],
  ['w=%31', /w=1 is rejected/],
  ['w=majority&journal=false', /journal=false is rejected: .* in the journal/],
  ['j=false', /j=false is rejected/],
  ['fsync=false', /fsync=false is rejected/],
  ['readConcernLevel=available', /readconcernlevel=available is rejected/],
  ['readConcernLevel=linearizable', /readconcernlevel=linearizable is rejected/],
  ['compressors=snappy,zlib', /compressors=snappy,zlib is rejected: this program has zlib only/],
  ['timeoutMS=5000', /timeoutms=5000 is rejected: .*--store-timeout/],
  ['maxStalenessSeconds=30', /maxstalenessseconds=30 is rejected: MongoDB needs 90/],
  ['readPreference=fastest', /readPreference=fastest is none of/],
])('an option that breaks a promise is rejected with the reason, and without the password: %s', (query, reason) => {
  let message = '';
  try {
    optionsOf(query);
  } catch (error) {
    message = (error as Error).message;
  }
  expect(message).toMatch(reason);
  expect(message).toContain('--database mongodb://user:***@a.example');
  expect(message).not.toContain('s3cret');
});

test('options are removed by name, in any case', () => {
  const uri = 'mongodb://a/db?x=1&ReadPreference=nearest&y=2';

  expect(withoutConnectionOptions(uri, ['readpreference'])).toBe('mongodb://a/db?x=1&y=2');
  expect(withoutConnectionOptions('mongodb://a/?readPreference=nearest', ['readpreference'])).toBe('mongodb://a/');
  expect(withoutConnectionOptions('mongodb://a', ['readpreference'])).toBe('mongodb://a');
});

test.each([
  'w=majority',
  'journal=true&j=true&fsync=true',
  'readConcernLevel=local',
  'readConcernLevel=majority',
  'compressors=zlib',
  'compressors=none,zlib',
  'maxStalenessSeconds=-1',
  'maxStalenessSeconds=90',
])('options that keep the promises are accepted: %s', (query) => {
  expect(() => rejectUnsafeOptions(connectionOptionsOf(`mongodb://a/?${query}`))).not.toThrow();
});

test('one unsafe value among several of an option is rejected as invalid', async () => {
  const rejected = Promise.resolve('mongodb://a/?w=majority&W=0').then(connectionOptionsOf).then(rejectUnsafeOptions);

  await expect(failureOf(rejected)).resolves.toMatchObject({ kind: 'invalid' });
});

test('options are read with names in lower case, decoded values, and in the order of the string', () => {
  const options = connectionOptionsOf('mongodb://a/?&TLS&x=1&&y=a%3Db&X=%zz&z=c=d&');

  expect([...options]).toStrictEqual([
    ['tls', ['']],
    ['x', ['1', '%zz']],
    ['y', ['a=b']],
    ['z', ['c=d']],
  ]);
  expect([...connectionOptionsOf('mongodb://a')]).toStrictEqual([]);
  expect(withoutConnectionOptions('mongodb://a/?&x=1&&', [])).toBe('mongodb://a/?x=1');
});

test('a part with an invalid escape stays as it is, for the driver to reject', () => {
  expect([decode('a%20b'), decode('5%secret')]).toStrictEqual(['a b', '5%secret']);
});
