import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import http2 from 'node:http2';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { openCall, STREAM_PATH, SUBMIT_PATH } from '../support/raw-grpc.ts';
import {
  connectHttp2,
  connectRaw,
  FLAG,
  FRAME,
  frame,
  headerBlock,
  type RawConnection,
  setting,
  uint32,
} from '../support/raw-http2.ts';

const GRPC = {
  ':method': 'POST',
  ':scheme': 'http',
  ':authority': 'x',
  'content-type': 'application/grpc',
  te: 'trailers',
};
const GET_VERSION = { ':method': 'GET', ':scheme': 'http', ':authority': 'x', ':path': '/version' };
const CALL = headerBlock({ ...GRPC, ':path': SUBMIT_PATH });
const REFLECTION = { ...GRPC, ':path': '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo' };
/** ServerReflectionRequest { file_containing_symbol }, answered with every file. */
const ASK_FOR_ALL = grpcMessage(4, 'spartakus.collector.v1.CollectorService');
/** ServerReflectionRequest { list_services } */
const ASK_FOR_LIST = grpcMessage(7, '');
const OPEN_STREAM = headerBlock({ ...GRPC, ':path': STREAM_PATH });

/** The frame of a message with one text. */
function grpcMessage(field: number, text: string): Buffer {
  const message = Buffer.concat([Buffer.from([field * 8 + 2, text.length]), Buffer.from(text)]);
  return Buffer.concat([Buffer.from([0]), uint32(message.length), message]);
}

/** An attack on 127.0.0.1, bounded in count and time. */
export interface Attack {
  readonly name: string;
  /** @param share of the connections that are kept open at a time, from 0 to 1 */
  readonly run: (port: number, until: () => boolean, share: number) => Promise<void>;
}

/** Runs an attack on one connection after the other until the time is up, on so many at most. */
function onConnections(
  count: number,
  act: (connection: RawConnection, until: () => boolean) => Promise<void>,
  settings: readonly Buffer[] = [],
) {
  return async (port: number, until: () => boolean): Promise<void> => {
    for (let index = 0; index < count && !until(); index += 1) {
      const connection = await connectHttp2(port, settings);
      await act(connection, until);
      connection.destroy();
    }
  };
}

/** Another address for each attack, because the collector remembers those of attacks. Only Linux has them without set-up. */
const pickStranger = (): string =>
  process.platform === 'linux' ? `127.0.${randomInt(1, 255)}.${randomInt(2, 255)}` : '127.0.0.1';
const NO_WINDOW = setting(4, 0);

/** Keeps so many connections open of a stranger that reads no response: each closed one is replaced. */
function keepUnread(
  count: number,
  begin: (connection: RawConnection) => Promise<unknown>,
  {
    version = 2,
    during,
  }: { readonly version?: 1 | 2; readonly during?: (connection: RawConnection) => Promise<unknown> } = {},
) {
  return async (port: number, until: () => boolean, share: number): Promise<void> => {
    const options = { from: pickStranger(), reads: version === 2 };
    const keep = async (): Promise<void> => {
      while (!until()) {
        const connection = await (version === 2 ? connectHttp2(port, [NO_WINDOW], options) : connectRaw(port, options));
        await begin(connection);
        while (!until() && !connection.isClosed) {
          await sleep(50);
          await during?.(connection);
        }
        connection.destroy();
        await sleep(10);
      }
    };
    await Promise.all(Array.from({ length: Math.ceil(count * share) }, keep));
  };
}

/** Sends the same request on a hundred streams. */
function onStreams(headers: Readonly<Record<string, string>>, body?: Buffer, flags = 0) {
  const block = headerBlock(headers);
  return (connection: RawConnection): Promise<boolean> =>
    connection.send(
      ...Array.from({ length: 100 }, (_, index) =>
        body === undefined
          ? frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, streamId(index), block)
          : Buffer.concat([
              frame(FRAME.headers, FLAG.endHeaders, streamId(index), block),
              frame(FRAME.data, flags, streamId(index), body),
            ]),
      ),
    );
}

/** Sends pieces until the connection is closed, or the time or the pieces are up. */
function flood(piece: (index: number) => Buffer, pieces: number, perSend: number) {
  return async (connection: RawConnection, until: () => boolean): Promise<void> => {
    for (let index = 0; index < pieces && !until(); index += perSend) {
      const bytes = Array.from({ length: perSend }, (_, offset) => piece(index + offset));
      if (!(await connection.send(...bytes))) return;
    }
  };
}

/** Opens many connections, sends some bytes on each, and leaves them open until the time is up. */
function holdOpen(count: number, begin: (connection: RawConnection) => Promise<unknown>, version: 1 | 2 = 2) {
  return async (port: number, until: () => boolean): Promise<void> => {
    const connections = await Promise.all(
      Array.from({ length: count }, () => (version === 2 ? connectHttp2(port) : connectRaw(port))),
    );
    await Promise.all(connections.map(begin));
    while (!until()) await sleep(50);
    for (const connection of connections) connection.destroy();
  };
}

const streamId = (index: number): number => 1 + 2 * index;
const JSON_HEAD = (length: number): Buffer =>
  Buffer.from(
    `POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n\r\n`,
  );

/** Between two requests of one attack, in milliseconds. */
const REQUEST_PAUSE_MS = 5;

/** Sends one body after the other over HTTP/1.1. */
function postJson(body: Buffer, times: number) {
  return async (port: number, until: () => boolean): Promise<void> => {
    for (let time = 0; time < times && !until(); time += 1) {
      const connection = await connectRaw(port);
      await connection.send(JSON_HEAD(body.length), body);
      await connection.responded;
      await sleep(REQUEST_PAUSE_MS);
      connection.destroy();
    }
  };
}

const MIB = 2 ** 20;

export const ATTACKS: readonly Attack[] = [
  {
    name: 'rapid reset: streams that are reset as soon as they are open',
    run: onConnections(
      20,
      flood(
        (index) =>
          Buffer.concat([
            frame(FRAME.headers, FLAG.endHeaders, streamId(index), CALL),
            frame(FRAME.reset, 0, streamId(index), uint32(8)),
          ]),
        20_000,
        100,
      ),
    ),
  },
  {
    name: 'headers without end in CONTINUATION frames',
    run: onConnections(20, async (connection, until) => {
      await connection.send(frame(FRAME.headers, 0, 1, CALL));
      await flood(
        (index) => frame(FRAME.continuation, 0, 1, headerBlock({ [`x-${index}`]: 'y'.repeat(100) })),
        100_000,
        100,
      )(connection, until);
    }),
  },
  {
    name: 'pings without end',
    run: onConnections(
      20,
      flood((index) => frame(FRAME.ping, 0, 0, Buffer.concat([uint32(0), uint32(index)])), 200_000, 500),
    ),
  },
  {
    name: 'settings without end',
    run: onConnections(
      20,
      flood((index) => frame(FRAME.settings, 0, 0, setting(4, 65_535 + (index % 100))), 100_000, 500),
    ),
  },
  {
    name: 'settings that allow no response: a window of 0, a header table of 0',
    run: onConnections(
      50,
      async (connection) => {
        for (let index = 0; index < 90; index += 1) {
          await connection.send(
            frame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, streamId(index), headerBlock(GET_VERSION)),
          );
        }
      },
      [setting(4, 0), setting(1, 0)],
    ),
  },
  { name: 'reflection responses that nobody reads', run: keepUnread(150, onStreams(REFLECTION, ASK_FOR_ALL)) },
  {
    name: 'reflection responses that are read byte by byte',
    run: keepUnread(150, onStreams(REFLECTION, ASK_FOR_ALL), {
      during: (connection) =>
        connection.send(
          frame(FRAME.windowUpdate, 0, streamId(0), uint32(1)),
          frame(FRAME.windowUpdate, 0, streamId(1), uint32(1)),
        ),
    }),
  },
  {
    name: 'short reflection responses that nobody reads, many on each stream',
    run: keepUnread(20, onStreams(REFLECTION, Buffer.concat(Array(1_000).fill(ASK_FOR_LIST)))),
  },
  { name: 'HTTP responses that nobody reads', run: keepUnread(150, onStreams(GET_VERSION)) },
  {
    name: 'health statuses that nobody reads',
    run: keepUnread(
      150,
      onStreams({ ...GRPC, ':path': '/grpc.health.v1.Health/Watch' }, Buffer.alloc(5), FLAG.endStream),
    ),
  },
  {
    name: 'responses that nobody reads, over HTTP/1.1',
    run: keepUnread(
      150,
      (connection) =>
        connection.send(...Array<Buffer>(5_000).fill(Buffer.from('GET /version HTTP/1.1\r\nHost: x\r\n\r\n'))),
      { version: 1 },
    ),
  },
  {
    name: 'rapid reset from ten connections that are opened again',
    run: async (port, until) => {
      const attackOnce = flood(
        (index) =>
          Buffer.concat([
            frame(FRAME.headers, FLAG.endHeaders, streamId(index), CALL),
            frame(FRAME.reset, 0, streamId(index), uint32(8)),
          ]),
        20_000,
        100,
      );
      const from = pickStranger();
      const keep = async (): Promise<void> => {
        while (!until()) {
          const connection = await connectHttp2(port, [], { from });
          await attackOnce(connection, until);
          connection.destroy();
          await sleep(1);
        }
      };
      await Promise.all(Array.from({ length: 10 }, keep));
    },
  },
  {
    name: 'window updates of 0',
    run: onConnections(
      50,
      flood(() => frame(FRAME.windowUpdate, 0, 0, uint32(0)), 1_000, 100),
    ),
  },
  {
    name: 'window updates that overflow',
    run: onConnections(
      50,
      flood(() => frame(FRAME.windowUpdate, 0, 0, uint32(2 ** 31 - 1)), 1_000, 100),
    ),
  },
  {
    name: 'window updates of one byte without end',
    run: onConnections(
      20,
      flood(() => frame(FRAME.windowUpdate, 0, 0, uint32(1)), 200_000, 500),
    ),
  },
  {
    name: 'frames of unknown types',
    run: onConnections(
      20,
      flood((index) => frame(0x20 + (index % 100), index % 256, index % 50, Buffer.alloc(100)), 50_000, 200),
    ),
  },
  {
    name: 'priorities without end',
    run: onConnections(
      20,
      flood((index) => frame(FRAME.priority, 0, streamId(index % 1000), Buffer.alloc(5)), 100_000, 500),
    ),
  },
  {
    name: 'empty data frames without end',
    run: onConnections(10, async (connection, until) => {
      await connection.send(frame(FRAME.headers, FLAG.endHeaders, 1, CALL));
      await flood(() => frame(FRAME.data, 0, 1), 200_000, 500)(connection, until);
    }),
  },
  {
    name: 'connections that send half a preface',
    run: holdOpen(150, (connection) => connection.send(Buffer.from('PRI * HTTP/2')), 1),
  },
  {
    name: 'incomplete headers, over HTTP/1.1',
    run: holdOpen(150, (connection) => connection.send(Buffer.from('POST /api/v1 HTTP/1.1\r\nHost: x\r\nX-')), 1),
  },
  {
    name: 'incomplete bodies, over HTTP/1.1',
    run: holdOpen(150, (connection) => connection.send(JSON_HEAD(1000), Buffer.from('{"clusterID": "')), 1),
  },
  {
    name: 'incomplete bodies, on a hundred streams of each connection',
    run: holdOpen(40, async (connection) => {
      for (let index = 0; index < 100; index += 1) {
        const path = index % 2 === 0 ? CALL : OPEN_STREAM;
        await connection.send(
          frame(FRAME.headers, FLAG.endHeaders, streamId(index), path),
          frame(FRAME.data, 0, streamId(index), Buffer.from([0, 0, 0, 1, 0, 1])),
        );
      }
    }),
  },
  {
    name: 'messages with a long length prefix',
    run: onConnections(100, async (connection) => {
      for (let index = 0; index < 50; index += 1) {
        await connection.send(
          frame(FRAME.headers, FLAG.endHeaders, streamId(index), CALL),
          frame(FRAME.data, FLAG.endStream, streamId(index), Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 1])),
        );
      }
    }),
  },
  {
    name: 'requests of HTTP/1.1 that two servers would parse differently',
    run: async (port, until) => {
      for (let index = 0; index < 300 && !until(); index += 1) {
        const connection = await connectRaw(port);
        await connection.send(Buffer.from(SMUGGLED[index % SMUGGLED.length] ?? '', 'latin1'));
        connection.destroy();
      }
    },
  },
  { name: 'JSON of opening brackets', run: postJson(Buffer.alloc(8 * MIB, '['), 50) },
  { name: 'JSON of objects in objects', run: postJson(Buffer.from('{"a":'.repeat(MIB)), 50) },
  { name: 'JSON of many empty objects', run: postJson(Buffer.from(`{"nodes":[${'{},'.repeat(MIB)}{}]}`), 10) },
  {
    name: 'JSON of many empty lists in an unknown field',
    run: postJson(Buffer.from(`{"x":[${'[],'.repeat(MIB)}[]]}`), 10),
  },
  { name: 'JSON of many numbers', run: postJson(Buffer.from(`{"x":[${'1,'.repeat(4 * MIB)}1]}`), 10) },
  {
    name: 'protobuf of empty nodes, two bytes each',
    run: async (port, until) => {
      // SubmitReportRequest { report { nodes {} … } }
      const nodes = Buffer.alloc(2 * MIB, Buffer.from([0x2a, 0x00]));
      const message = Buffer.concat([Buffer.from([0x0a, 0x80, 0x80, 0x80, 0x01]), nodes]);
      const body = Buffer.concat([Buffer.from([0]), uint32(message.length), message]);
      const session = http2.connect(`http://127.0.0.1:${port}`);
      session.on('error', () => undefined);
      for (let time = 0; time < 10 && !until(); time += 1) {
        const stream = openCall(session, SUBMIT_PATH);
        stream.on('error', () => undefined);
        stream.resume();
        stream.end(body);
        await once(stream, 'close');
      }
      session.destroy();
    },
  },
];

const CHUNKED = 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n';

/** Requests that hide another request (HTTP request smuggling). */
export const SMUGGLED: readonly string[] = [
  `POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n${CHUNKED}\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n`,
  'POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ',
  `POST /api/v1 HTTP/1.1\r\nHost: x\r\n${CHUNKED}\r\nzz\r\n{}\r\n0\r\n\r\n`,
  'POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n',
  'POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n',
  'POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n',
  'POST /api/v1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\n\n{}',
  'POST /api/v1 HTTP/1.1\r\nHost: x\r\n Content-Length: 2\r\n\r\n{}',
  'POST /api/v1 HTTP/1.1\r\nHost: x\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}',
  'POST /api/v1 HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}',
  'PRI * HTTP/1.1\r\n\r\n',
];
