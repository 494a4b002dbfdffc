import { once } from 'node:events';
import http2 from 'node:http2';
import { describe, expect, test } from 'vitest';
import { encodeGrpcFrame } from '../../../../src/collector/serve/rpc/grpc-frames.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { sendTo as send, serveConnect as serve } from '../../../support/connect-server.ts';

const CHECK = '/grpc.health.v1.Health/Check';
const framed = (text: string): Buffer => encodeGrpcFrame(Buffer.from(text));
const CONNECT_STREAM = { 'content-type': 'application/connect+json', 'connect-protocol-version': '1' };

describe('health', () => {
  const check = (session: http2.ClientHttp2Session, service = '') =>
    send(session, CHECK, JSON.stringify({ service }), { 'content-type': 'application/json' });

  test('is not admitted as a report is, but as any request', async () => {
    let requests = 0;
    const { session, memory } = await serve({
      admit: () => {
        throw new Error('is for reports');
      },
      admitRequest: () => void (requests += 1),
    });

    await expect(check(session)).resolves.toMatchObject({ status: 200 });

    expect(requests).toBe(1);
    await expect.poll(() => memory.reservedBytes).toBe(0);
  });

  test.each([
    ['connect', 'application/json', 429],
    ['grpc', 'application/grpc', 200],
  ] as const)('is rejected over %s without a call where the address sends too much', async (...of) => {
    const [protocol, contentType, expected] = of;
    const { session, rejections } = await serve({
      protocol,
      admitRequest: () => {
        throw new SpartakusError('rate-limited', 'slow down', { retryAfterMs: 5 });
      },
    });

    const { status, response, text } = await send(session, CHECK, '{}', { 'content-type': contentType });

    expect(status).toBe(expected);
    expect(response['content-type']).toBe(contentType);
    expect(protocol === 'grpc' ? response['grpc-message'] : text).toContain('slow down');
    expect(rejections).toStrictEqual([`${protocol}: slow down`]);
  });

  test('has 16 KiB for a name, and no more', async () => {
    const { session } = await serve();
    const name = (length: number): string => 'x'.repeat(length - JSON.stringify({ service: '' }).length);

    await expect(check(session, name(16 * 1_024))).resolves.toMatchObject({ status: 404 });
    await expect(check(session, name(16 * 1_024 + 1))).resolves.toMatchObject({ status: 429 });
  });

  test('is watched ten times by a connection at most, and not counted where it is only checked', async () => {
    const { session, url, rejections } = await serve();
    const watch = (from: http2.ClientHttp2Session) => {
      const stream = from.request({ ':method': 'POST', ':path': '/grpc.health.v1.Health/Watch', ...CONNECT_STREAM });
      stream.on('error', () => undefined);
      stream.end(framed('{}'));
      return stream;
    };
    for (let checked = 0; checked < 12; checked += 1) await check(session);
    const watches = Array.from({ length: 10 }, () => watch(session));
    await Promise.all(watches.map((stream) => once(stream, 'data')));
    await expect(check(session)).resolves.toMatchObject({ status: 200 });

    const [rejected] = (await once(watch(session).resume(), 'response')) as [http2.IncomingHttpStatusHeader];
    expect(rejected[':status']).toBe(429);
    expect(rejections).toStrictEqual([
      expect.stringContaining('the connection has 10 streams of the health and reflection services'),
    ]);

    const other = http2.connect(url);
    await once(watch(other), 'data');
    other.destroy();
    watches[0]!.close(http2.constants.NGHTTP2_CANCEL);
    await once(watches[0]!, 'close');
    await expect
      .poll(async () => {
        const [answer] = (await once(watch(session).resume(), 'response')) as [http2.IncomingHttpStatusHeader];
        return answer[':status'];
      })
      .toBe(200);
  });
});
