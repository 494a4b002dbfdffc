import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { maskUrl } from '../../src/runtime/mask.ts';

test.each([
  ['mongodb://user:secret@host/db', 'mongodb://user:***@host/db'],
  [
    'mongodb://user:secret@a:27017,b:27018,[::1]:27019/db?replicaSet=rs0',
    'mongodb://user:***@a:27017,b:27018,[::1]:27019/db?replicaSet=rs0',
  ],
  ['mongodb+srv://user:secret@cluster.example.com', 'mongodb+srv://user:***@cluster.example.com'],
  ['https://user:secret@host:8080/path', 'https://user:***@host:8080/path'],
  ['mongodb://user:se:cr@et@host', 'mongodb://user:***@host'],
  ['mongodb://user:sec/ret@host/db', 'mongodb://user:***@host/db'],
  ['mongodb://user:sec?ret@host/db', 'mongodb://user:***@host/db'],
  ['mongodb://user:s@c/r@t@host/db', 'mongodb://user:***@host/db'],
  ['mongodb://user:secret', 'mongodb://user:***'],
  ['mongodb://h/?tlsCertificateKeyFilePassword=secret&w=1', 'mongodb://h/?tlsCertificateKeyFilePassword=***&w=1'],
  [
    'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:secret',
    'mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:***',
  ],
])('the secret in %s is masked', (url, masked) => {
  expect(maskUrl(url)).toBe(masked);
});

test.each([
  'stdout',
  'embedded:/var/lib/spartakus',
  'grpc://collector:8080',
  'grpcs://[2001:db8::1]:443',
  'http://collector.example.com/api/v1',
  'mongodb://a:1,b:2/db?appName=me@work',
  'https://user@host/path',
  'https://host/path@x',
])('%s has no secret and is not changed', (url) => {
  expect(maskUrl(url)).toBe(url);
});

test('every password is masked, whatever characters it has', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, maxLength: 12, unit: fc.constantFrom('@', '/', ':', '?', '#', ',', '%', 'Z') }),
      (noise) => {
        expect(maskUrl(`mongodb://user:${noise}SECRET${noise}@host:27017/db`)).not.toContain('SECRET');
      },
    ),
    { verbose: true },
  );
});
