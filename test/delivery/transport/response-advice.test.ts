import { expect, test } from 'vitest';
import { NO_CREDENTIALS } from '../../../src/delivery/client-credentials.ts';
import { adviceFor } from '../../../src/delivery/transport/response-advice.ts';
import type { ErrorKind } from '../../../src/runtime/errors.ts';

const facts = {
  target: { kind: 'grpc', host: 'collector.example.com', port: 8080 },
  tls: true,
  flag: '--url',
  credentials: NO_CREDENTIALS,
  proxy: undefined,
} as const;

test.each<[ErrorKind, string]>([
  ['unauthenticated', ' It requires a token: give one with --token-file.'],
  ['forbidden', ' A collector forbids no report: permit it in the proxy or gateway in front of it.'],
  ['not-found', ' Check that a Spartakus collector listens at the URL in --url.'],
  ['invalid', ''],
  ['too-large', ''],
  ['unsupported-media-type', ''],
  ['unimplemented', ''],
  ['rate-limited', ''],
  ['overloaded', ''],
  ['unavailable', ''],
  ['internal', ''],
])('for a response of kind %s there is this advice:%s', (kind, advice) => {
  expect(adviceFor(kind, facts)).toBe(advice);
});

test('a token that is not accepted can be replaced in its file', () => {
  const credentials = { ...NO_CREDENTIALS, tokenFile: '/run/token' };

  expect(adviceFor('unauthenticated', { ...facts, credentials })).toBe(
    ' Write a token that it accepts to --token-file, which is read again for each attempt.',
  );
});
