import { expect, test } from 'vitest';
import {
  DATABASES,
  DEFAULT_DATABASE,
  describeDatabase,
  parseDatabase,
} from '../../../src/collector/store/database-spec.ts';
import { failureOf } from '../../support/failure.ts';

test.each([
  [DEFAULT_DATABASE, { kind: 'embedded', directory: './spartakus-data' }],
  ['embedded:/srv/a:b', { kind: 'embedded', directory: '/srv/a:b' }],
  ['mongodb://u:p@h1,h2/db?replicaSet=rs0', { kind: 'server', uri: 'mongodb://u:p@h1,h2/db?replicaSet=rs0' }],
  ['mongodb+srv://h/db', { kind: 'server', uri: 'mongodb+srv://h/db' }],
  ['stdout', { kind: 'stdout' }],
])('%s is parsed', (spec, database) => {
  expect(parseDatabase(spec)).toStrictEqual(database);
});

test.each(DATABASES)('$example, as help shows it, is a known form', ({ example }) => {
  expect(() => parseDatabase(example)).not.toThrow();
});

test.each(['', 'embedded:', 'Stdout', 'mongodb:/h', 'my-mongodb://h', 'postgres://user:hunter2@h/db'])(
  '%j is rejected with the known forms, and without its password',
  async (spec) => {
    const error = await failureOf(Promise.resolve(spec).then(parseDatabase));

    expect(error).toMatchObject({ kind: 'invalid', field: '--database' });
    expect(error.message).toContain(': is none of the known forms: embedded:./spartakus-data, mongodb://');
    expect(error.message).not.toContain('hunter2');
  },
);

test.each([
  ['embedded:/srv/a:b', 'embedded:/srv/a:b'],
  ['mongodb://user:hunter2@h/db', 'mongodb://user:***@h/db'],
  ['stdout', 'stdout'],
])('%s is described as %s', (spec, description) => {
  expect(describeDatabase(parseDatabase(spec))).toBe(description);
});
