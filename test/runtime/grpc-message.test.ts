import { assert, property, string } from 'fast-check';
import { expect, test } from 'vitest';
import { decodeGrpcMessage, encodeGrpcMessage } from '../../src/runtime/grpc-message.ts';

test.each([
  [
    'report.cluster_id: "a/b" is required; use ?x=1&y=2 @ $3, #4',
    'report.cluster_id: "a/b" is required; use ?x=1&y=2 @ $3, #4',
  ],
  ['100 % of it', '100 %25 of it'],
  ['%3A', '%253A'],
  ['a\nb\tc\u007f', 'a%0Ab%09c%7F'],
  ['Größe …', 'Gr%C3%B6%C3%9Fe %E2%80%A6'],
  [' ends ', '%20ends%20'],
  ['\ud800', '%EF%BF%BD'],
])('%j is sent as %j', (text, message) => {
  expect(encodeGrpcMessage(text)).toBe(message);
});

test('a message has printable ASCII only, and every text arrives, also through decodeURI', () => {
  assert(
    property(string({ unit: 'grapheme' }), (text) => {
      const message = encodeGrpcMessage(text);
      expect(message).toMatch(/^(?:[!-~](?:[ -~]*[!-~])?)?$/);
      expect([decodeGrpcMessage(message), decodeURI(message)]).toStrictEqual([text, text]);
    }),
  );
});

test.each([
  [encodeURIComponent('a: b/c?d=e&f@g+h$i,j#k;'), 'a: b/c?d=e&f@g+h$i,j#k;'],
  ['50%, %zz and %4', '50%, %zz and %4'],
  ['%E2%82 %3a', '\ufffd :'],
  ['', ''],
])('%j is read as %j', (message, text) => {
  expect(decodeGrpcMessage(message)).toBe(text);
});
