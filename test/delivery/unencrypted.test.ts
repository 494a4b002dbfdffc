import { expect, test } from 'vitest';
import { isUnencrypted, UNENCRYPTED_WARNING, warnIfUnencrypted } from '../../src/delivery/unencrypted.ts';
import { createKeptLog } from '../support/log.ts';

test.each([
  ['grpc://collector.example.com', true],
  ['http://collector.example.com', true],
  ['http://192.0.2.1:8080', true],
  ['grpcs://collector.example.com', false],
  ['https://collector.example.com', false],
  ['grpc://localhost:8080', false],
  ['http://127.0.0.1', false],
  ['http://[::1]:8080', false],
  ['http://[2001:db8::1]:8080', true],
  ['stdout', false],
])('reports to %s travel to another machine without TLS: %s', (spec, expected) => {
  const log = createKeptLog();

  warnIfUnencrypted(spec, log.logger);

  expect(isUnencrypted(spec)).toBe(expected);
  expect(log.messages('warn')).toStrictEqual(expected ? [UNENCRYPTED_WARNING] : []);
});

test('the warning has the URL without its password', () => {
  const log = createKeptLog();

  warnIfUnencrypted('http://user:hunter2@collector.example.com', log.logger);

  expect(log.lines.map(({ fields }) => fields)).toStrictEqual([{ url: 'http://user:***@collector.example.com' }]);
});
