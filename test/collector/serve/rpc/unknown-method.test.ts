import { expect, test } from 'vitest';
import { answerUnknownMethod } from '../../../../src/collector/serve/rpc/unknown-method.ts';

/** The response to a request for a method that does not exist. */
function answer(protocol: 'grpc' | 'connect' | 'grpc-web') {
  const headers: Record<string, unknown> = {};
  const res = {
    destroyed: false,
    writableEnded: false,
    statusCode: 0,
    setHeader: (name: string, value: unknown) => void (headers[name] = value),
    end: (body?: Buffer) => void (text = body?.toString()),
  };
  let text: string | undefined;
  const req = { method: 'POST', url: '/a.Service/Method', headers: { 'content-type': 'application/x' } };
  const error = answerUnknownMethod(req as never, res as never, { protocol });
  return { error, status: res.statusCode, headers, text };
}

test.each(['grpc', 'grpc-web'] as const)('an unknown method is a status of %s with HTTP status 200', (protocol) => {
  expect(answer(protocol)).toMatchObject({
    error: { kind: 'unimplemented', message: 'unknown method /a.Service/Method' },
    status: 200,
    headers: {
      'content-type': 'application/x',
      'grpc-status': '12',
      'grpc-message': 'unknown method /a.Service/Method',
    },
    text: undefined,
  });
});

test('an unknown method is a JSON error of Connect', () => {
  const { status, headers, text } = answer('connect');

  expect([status, headers['content-type']]).toStrictEqual([404, 'application/json']);
  expect(headers).not.toHaveProperty('grpc-status');
  expect(JSON.parse(text ?? '')).toMatchObject({
    code: 'unimplemented',
    message: 'unknown method /a.Service/Method',
    details: [{ type: 'google.rpc.ErrorInfo' }],
  });
});
