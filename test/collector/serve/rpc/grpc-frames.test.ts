import { describe, expect, test } from 'vitest';
import {
  createGrpcFrameReader,
  encodeGrpcFrame,
  framedBytes,
} from '../../../../src/collector/serve/rpc/grpc-frames.ts';

const message = (length: number): Uint8Array => new Uint8Array(length).fill(7);

describe('a frame reader with a limit of 10 bytes', () => {
  test.each([0, 10])('a message of %d bytes is accepted', (length) => {
    const frames = createGrpcFrameReader(10).push(encodeGrpcFrame(message(length)));

    expect(frames.map(({ bytes }) => bytes)).toStrictEqual([message(length)]);
  });

  test('a message of 11 bytes is rejected', () => {
    expect(() => createGrpcFrameReader(10).push(encodeGrpcFrame(message(11)))).toThrow(
      'the message is over the limit of 10 bytes',
    );
  });

  test('a message that is too large is rejected by its prefix', () => {
    const prefix = encodeGrpcFrame(message(11)).subarray(0, 5);

    expect(() => createGrpcFrameReader(10).push(prefix)).toThrow('the message is over the limit');
  });

  test('messages are the same in whatever chunks they come', () => {
    const sent = [message(3), message(0), message(10), message(1)];
    const body = Buffer.concat(sent.map((each) => encodeGrpcFrame(each)));
    for (let size = 1; size <= body.length; size += 1) {
      const reader = createGrpcFrameReader(10);
      const received: Uint8Array[] = [];
      for (let at = 0; at < body.length; at += size)
        received.push(...reader.push(body.subarray(at, at + size)).map(({ bytes }) => bytes));
      reader.end();
      expect(received).toStrictEqual(sent);
    }
  });

  test.each([1, 4, 5, 7])('a body that ends after %d bytes of a message is invalid', (length) => {
    const reader = createGrpcFrameReader(10);
    reader.push(encodeGrpcFrame(message(9)).subarray(0, length));

    expect(() => reader.end()).toThrow('the body ends in the middle of a message');
  });

  test('the flag 1 is of a compressed message, and other flags are invalid', () => {
    const frame = encodeGrpcFrame(message(2));
    frame.writeUInt8(1, 0);
    expect(createGrpcFrameReader(10).push(frame)).toStrictEqual([{ isCompressed: true, bytes: message(2) }]);
    frame.writeUInt8(2, 0);
    expect(() => createGrpcFrameReader(10).push(frame)).toThrow('flags 2');
  });
});

test('the length of a frame is that of its prefix and its message', () => {
  const frame = encodeGrpcFrame(message(3));

  expect(frame.toString('hex')).toBe('0000000003070707');
  expect(framedBytes({ isCompressed: false, bytes: new Uint8Array(3) })).toBe(frame.length);
});

test('the message of a frame is bytes without the methods of Buffer', () => {
  const [frame] = createGrpcFrameReader(10).push(encodeGrpcFrame(message(3)));

  expect(frame?.bytes.constructor).toBe(Uint8Array);
});
