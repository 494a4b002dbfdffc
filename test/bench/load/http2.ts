import { once } from 'node:events';
import net from 'node:net';
import { fromBinary } from '@bufbuild/protobuf';
import {
  Outcome,
  StreamReportsResponseSchema,
  SubmitReportResponseSchema,
} from '../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { STREAM_PATH, SUBMIT_PATH } from '../../support/raw-grpc.ts';
import { FLAG, frame, FRAME, PREFACE, setting, uint32 } from '../../support/raw-http2.ts';
import type { LoadConnection, LoadRequest } from './load.ts';
import { createFrames } from './payloads.ts';

/**
 * gRPC calls on bare sockets, because Node.js' HTTP/2 client costs more than the servers that are measured. It knows what these need: RFC 9113
 * with its flow control, and RFC 7541 without a decoder: that a call succeeded is known by its receipt.
 */
const SETTING = { initialWindow: 4 } as const;
const WINDOW = 2 ** 31 - 1;
const DEFAULT_WINDOW = 65_535;
const MOST_FRAME_BYTES = 16_384;
const FRAME_HEAD_BYTES = 9;
const NOTHING: Buffer = Buffer.alloc(0);
const PREFIX_BYTES = 5;
/** One receipt in so many is decoded. */
const SAMPLED = 64;
/** Numbers of the static table: RFC 7541 appendix A. */
const METHOD_POST = 0x83;
const SCHEME_HTTP = 0x86;
const NAMES = { authority: 1, path: 4, contentType: 31, userAgent: 58 } as const;
const FIRST_DYNAMIC = 62;

function text(value: string): Buffer {
  return Buffer.concat([Buffer.from([value.length]), Buffer.from(value, 'latin1')]);
}

/** The headers of the first call, which the server's table keeps, and those of the others, which are numbers in it. */
function headerBlocks(
  path: string,
  port: number,
  headers: Readonly<Record<string, string>>,
): readonly [Buffer, Buffer] {
  const indexed = (name: number, value: string): Buffer => Buffer.concat([Buffer.from([0x40 | name]), text(value)]);
  const named = (name: string, value: string): Buffer => Buffer.concat([Buffer.from([0x40]), text(name), text(value)]);
  const literals = [
    indexed(NAMES.path, path),
    indexed(NAMES.authority, `127.0.0.1:${port}`),
    indexed(NAMES.contentType, 'application/grpc'),
    indexed(NAMES.userAgent, 'grpc-bench/1.0'),
    named('te', 'trailers'),
    ...Object.entries(headers).map(([name, value]) => named(name, value)),
  ];
  const fixed = Buffer.from([METHOD_POST, SCHEME_HTTP]);
  const numbers = literals.map((_, index) => 0x80 | (FIRST_DYNAMIC + literals.length - 1 - index));
  return [Buffer.concat([fixed, ...literals]), Buffer.concat([fixed, Buffer.from(numbers)])];
}

interface Call {
  readonly id: number;
  /** Of a call with one message. */
  readonly onAnswer?: (succeeded: boolean) => void;
  hasReceipt: boolean;
  /** Messages that wait for a window, and how much the server's window of the call takes. */
  unsent: Buffer;
  added: Buffer[];
  window: number;
}

export function createHttp2Connector(request: LoadRequest): () => Promise<LoadConnection> {
  const isStream = request.protocol === 'stream';
  const { port, headers = {}, inFlight = 1 } = request;
  const [firstHeaders, laterHeaders] = headerBlocks(isStream ? STREAM_PATH : SUBMIT_PATH, port, headers);
  const nextMessage = createFrames(request.nodes, isStream ? 'stream' : 'unary');
  let sampled = 0;

  const checkReceipt = (message: Uint8Array): void => {
    sampled += 1;
    if (sampled % SAMPLED !== 1) return;
    const { receipt } = fromBinary(isStream ? StreamReportsResponseSchema : SubmitReportResponseSchema, message);
    if (receipt?.outcome !== Outcome.STORED) throw new Error(`a report was not stored: ${JSON.stringify(receipt)}`);
  };

  return async () => {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    let isClosing = false;
    socket.on('close', () => {
      if (!isClosing) throw new Error('the server closed an HTTP/2 connection');
    });
    let output: Buffer[] = [
      PREFACE,
      frame(FRAME.settings, 0, 0, setting(SETTING.initialWindow, WINDOW)),
      frame(FRAME.windowUpdate, 0, 0, uint32(WINDOW - DEFAULT_WINDOW)),
    ];
    let [streams, connectionWindow, initialWindow] = [0, DEFAULT_WINDOW, DEFAULT_WINDOW];
    let receivedBytes = 0;
    const calls = new Map<number, Call>();
    /** Of a stream: the answers that its messages wait for, in order. */
    const waiting: ((succeeded: boolean) => void)[] = [];
    let answeredMessages = 0;
    let responses = NOTHING;
    const ended = Promise.withResolvers<void>();

    const flush = (): void => {
      if (output.length === 0) return;
      socket.write(Buffer.concat(output));
      output = [];
    };
    const openCall = (onAnswer?: Call['onAnswer']): Call => {
      const id = 2 * streams + 1;
      streams += 1;
      output.push(frame(FRAME.headers, FLAG.endHeaders, id, id === 1 ? firstHeaders : laterHeaders));
      const call = { id, onAnswer, hasReceipt: false, unsent: NOTHING, added: [], window: initialWindow };
      calls.set(id, call);
      return call;
    };
    const sendUnsent = (call: Call): void => {
      const { id, added } = call;
      if (added.length > 0) call.unsent = Buffer.concat([call.unsent, ...added]);
      call.added = [];
      while (call.unsent.length > 0) {
        const length = Math.min(call.unsent.length, MOST_FRAME_BYTES, connectionWindow, call.window);
        if (length <= 0) return;
        const ends = !isStream && length === call.unsent.length;
        output.push(frame(FRAME.data, ends ? FLAG.endStream : 0, id, call.unsent.subarray(0, length)));
        call.unsent = call.unsent.subarray(length);
        connectionWindow -= length;
        call.window -= length;
      }
    };
    const onStreamData = (payload: Buffer): void => {
      responses = responses.length === 0 ? payload : Buffer.concat([responses, payload]);
      while (responses.length >= PREFIX_BYTES) {
        const end = PREFIX_BYTES + responses.readUInt32BE(1);
        if (responses.length < end) return;
        checkReceipt(responses.subarray(PREFIX_BYTES, end));
        responses = responses.subarray(end);
        waiting[answeredMessages++]?.(true);
      }
    };
    const onData = (id: number, flags: number, payload: Buffer): void => {
      receivedBytes += payload.length;
      if (receivedBytes > WINDOW / 4) {
        output.push(frame(FRAME.windowUpdate, 0, 0, uint32(receivedBytes)));
        if (isStream) output.push(frame(FRAME.windowUpdate, 0, id, uint32(receivedBytes)));
        receivedBytes = 0;
      }
      const call = calls.get(id);
      if (isStream) onStreamData(payload);
      else if (call !== undefined && payload.length > PREFIX_BYTES) {
        call.hasReceipt = true;
        checkReceipt(payload.subarray(PREFIX_BYTES));
      }
      if ((flags & FLAG.endStream) !== 0) onEnd(id);
    };
    const onEnd = (id: number): void => {
      const call = calls.get(id);
      calls.delete(id);
      call?.onAnswer?.(call.hasReceipt);
      if (!isStream) return;
      if (!isClosing) throw new Error('the server ended a stream');
      ended.resolve();
    };
    const onFrame = (type: number, flags: number, id: number, payload: Buffer): void => {
      if (type === FRAME.data) onData(id, flags, payload);
      else if (type === FRAME.headers) {
        if ((flags & FLAG.endStream) !== 0) onEnd(id);
      } else if (type === FRAME.windowUpdate) {
        const bytes = payload.readUInt32BE(0);
        if (id === 0) connectionWindow += bytes;
        const widened = id === 0 ? [...calls.values()] : [calls.get(id)];
        for (const call of widened) {
          if (call === undefined) continue;
          if (id !== 0) call.window += bytes;
          if (call.unsent.length > 0) sendUnsent(call);
        }
        flush();
      } else if (type === FRAME.settings && (flags & FLAG.ack) === 0) {
        for (let at = 0; at < payload.length; at += 6)
          if (payload.readUInt16BE(at) === SETTING.initialWindow) {
            const value = payload.readUInt32BE(at + 2);
            for (const call of calls.values()) call.window += value - initialWindow;
            initialWindow = value;
          }
        output.push(frame(FRAME.settings, FLAG.ack, 0));
        flush();
      } else if (type === FRAME.ping && (flags & FLAG.ack) === 0) {
        output.push(frame(FRAME.ping, FLAG.ack, 0, payload));
        flush();
      } else if (type === FRAME.reset || type === FRAME.goaway) {
        if (!isClosing) throw new Error(`the server sent a frame of type ${type}: ${payload.toString('latin1')}`);
      }
    };
    let input = NOTHING;
    const isReady = Promise.withResolvers<void>();
    socket.on('data', (chunk: Buffer) => {
      input = input.length === 0 ? chunk : Buffer.concat([input, chunk]);
      while (input.length >= FRAME_HEAD_BYTES) {
        const end = FRAME_HEAD_BYTES + input.readUIntBE(0, 3);
        if (input.length < end) return;
        const [type, flags, id] = [input.readUInt8(3), input.readUInt8(4), input.readUInt32BE(5) & 0x7fff_ffff];
        const payload = input.subarray(FRAME_HEAD_BYTES, end);
        input = input.subarray(end);
        onFrame(type, flags, id, payload);
        if (type === FRAME.settings) isReady.resolve();
      }
    });
    flush();
    await isReady.promise;
    const streamCall = isStream ? openCall() : undefined;
    const touched = new Set<Call>();
    return {
      room: () => {
        if (streamCall === undefined) return inFlight - calls.size;
        return streamCall.unsent.length > MOST_FRAME_BYTES ? 0 : inFlight - (waiting.length - answeredMessages);
      },
      send(onAnswer) {
        if (streamCall !== undefined) waiting.push(onAnswer);
        const call = streamCall ?? openCall(onAnswer);
        call.added.push(nextMessage());
        touched.add(call);
      },
      flush() {
        for (const call of touched) sendUnsent(call);
        touched.clear();
        flush();
      },
      async close() {
        isClosing = true;
        if (streamCall !== undefined) {
          output.push(frame(FRAME.data, FLAG.endStream, streamCall.id));
          flush();
          await ended.promise;
        }
        const closed = once(socket, 'close');
        socket.destroy();
        await closed;
      },
    };
  };
}
