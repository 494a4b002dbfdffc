import { EventEmitter } from 'node:events';
import type { ServerHttp2Stream } from 'node:http2';
import { PassThrough } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { describe, expect, test } from 'vitest';
import { ReceiptSchema } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { createGrpcHandler } from '../../../../src/collector/serve/rpc/grpc-handler.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { STREAM_PATH, SUBMIT_PATH } from '../../../support/raw-grpc.ts';

const HEADERS = { ':method': 'POST', ':path': STREAM_PATH, 'content-type': 'application/grpc' };

/** A stream whose client reads nothing until it drains, and a receiver that has as many receipts as are asked for. */
function openStream() {
  let written = 0;
  let isEnded = false;
  const stream = Object.assign(new EventEmitter(), {
    destroyed: false,
    closed: false,
    headersSent: false,
    respond: () => undefined,
    pause: () => undefined,
    resume: () => undefined,
    isPaused: () => false,
    write: () => ((written += 1), false),
    end: () => void (isEnded = true),
  });
  let taken = 0;
  let isReturned = false;
  async function* receipts() {
    try {
      for (; taken < 1_000;) {
        taken += 1;
        yield await Promise.resolve([create(ReceiptSchema)]);
      }
    } finally {
      isReturned = true;
    }
  }
  const handler = createGrpcHandler({ stream: receipts } as never, () => Promise.reject(new Error('nothing is read')), {
    admission: { admitReport: () => undefined },
    memory: createMemoryLimiter(1_000),
    limits: { maxProtobufBytes: 100, bodyTimeoutMs: 1_000 },
    onRejection: () => undefined,
  } as never);
  handler.handle(stream as never as ServerHttp2Stream, HEADERS, { protocol: 'grpc' });
  return { stream, written: () => written, taken: () => taken, isReturned: () => isReturned, isEnded: () => isEnded };
}

const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => void setImmediate(resolve));
};

test('a receipt is taken when the client has read the one before', async () => {
  const { stream, written, taken } = openStream();
  for (const count of [1, 2, 3]) {
    await settle();
    expect([written(), taken()]).toStrictEqual([count, count]);
    stream.emit('drain');
  }
});

test('a client that leaves while a receipt waits for it ends the stream, and leaves no listener', async () => {
  const { stream, isReturned, isEnded } = openStream();
  const ofTheCall = stream.listenerCount('close');
  await settle();

  stream.closed = true;
  stream.destroyed = true;
  stream.emit('close');
  await settle();

  expect([isReturned(), isEnded()]).toStrictEqual([true, false]);
  expect([stream.listenerCount('drain'), stream.listenerCount('close')]).toStrictEqual([0, ofTheCall]);
});

describe('a client that resets its stream in the moment of a rejection', () => {
  /** A stream whose request is rejected by admission, or later by the reader of its body. */
  function openRejected(admitReport: () => void, onRead = (): void => undefined) {
    const responses: object[] = [];
    const rejections: unknown[] = [];
    const stream = Object.assign(new PassThrough(), {
      headersSent: false,
      respond: (headers: object) => void responses.push(headers),
      close: () => undefined,
    });
    const read = () => (onRead(), Promise.reject(new Error('unreadable')));
    const handler = createGrpcHandler({} as never, read, {
      admission: { admitReport },
      memory: createMemoryLimiter(1_000),
      limits: { maxProtobufBytes: 100, bodyTimeoutMs: 1_000 },
      onRejection: (_protocol: unknown, error: unknown) => void rejections.push(error),
    } as never);
    const handle = (): void => {
      const headers = { ...HEADERS, ':path': SUBMIT_PATH };
      handler.handle(stream as never as ServerHttp2Stream, headers, { protocol: 'grpc' });
    };
    return { stream, handle, responses, rejections };
  }
  const reject = (): void => {
    throw new SpartakusError('overloaded', 'full');
  };

  test('receives a rejection while it is there', () => {
    const { handle, responses } = openRejected(reject);

    handle();

    expect(responses).toMatchObject([{ 'grpc-status': '8' }]);
  });

  test('is answered nothing, and no error is thrown, where admission rejects it', () => {
    const { stream, handle, responses } = openRejected(reject);
    stream.destroy();

    expect(handle).not.toThrow();

    expect(responses).toStrictEqual([]);
  });

  test('is answered nothing, and is not counted as rejected, where its body is not valid', async () => {
    const { stream, handle, responses, rejections } = openRejected(() => undefined);
    handle();
    stream.write(Buffer.from([0, 0, 0, 0, 1]));
    await settle();

    stream.destroy();
    await settle();

    expect([responses, rejections]).toStrictEqual([[], []]);
  });

  test('is answered nothing, and is not counted as rejected, where it leaves while its message is read', async () => {
    const onRead = (): void => void stream.destroy();
    const { stream, handle, responses, rejections } = openRejected(() => undefined, onRead);
    handle();

    stream.end(Buffer.from([0, 0, 0, 0, 0]));
    await settle();

    expect([stream.destroyed, responses, rejections]).toStrictEqual([true, [], []]);
  });
});
