import { once } from 'node:events';
import net from 'node:net';
import type { LoadConnection, LoadRequest } from './load.ts';
import { legacyBodies } from './payloads.ts';

const END_OF_HEAD = Buffer.from('\r\n\r\n');
const END_OF_HEAD_UINT = END_OF_HEAD.readUInt32BE();
const NO_CONTENT = 204;
/** One buffer for all connections: what is received is read before the next chunk is. */
const RECEIVED = Buffer.allocUnsafe(65_536);

/** POST /api/v1 on connections that are kept, one request at a time, on bare sockets: the generator must cost less than the server. */
export function createHttp1Connector({ port, nodes, headers = {} }: LoadRequest): () => Promise<LoadConnection> {
  const added = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const requests = legacyBodies(nodes).map((body) =>
    Buffer.concat([
      Buffer.from(
        `POST /api/v1 HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: ${body.length}\r\n${added.join('')}Content-Type: application/json\r\n\r\n`,
      ),
      body,
    ]),
  );
  let made = 0;
  const nextRequest = (): Buffer => requests[made++ % requests.length] as Buffer;

  return async () => {
    let onAnswer: ((succeeded: boolean) => void) | undefined;
    let pending: Buffer | undefined;
    let held: Buffer | undefined;
    let isClosing = false;
    const answered = (status: number): void => {
      const call = onAnswer;
      onAnswer = undefined;
      call?.(status === NO_CONTENT);
    };
    const onData = (chunk: Buffer): boolean => {
      const data = held === undefined ? chunk : Buffer.concat([held, chunk]);
      if (isNoContent(data)) {
        held = undefined;
        answered(NO_CONTENT);
        return true;
      }
      // The chunk is in a buffer that the next one overwrites.
      held = Buffer.from(data);
      const headEnd = data.indexOf(END_OF_HEAD);
      if (headEnd === -1) return true;
      const status = Number(data.toString('latin1', 9, 12));
      const head = data.toString('latin1', 0, headEnd);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
      if (Number.isNaN(length)) throw new Error(`a response without a length: ${head}`);
      if (data.length < headEnd + END_OF_HEAD.length + length) return true;
      held = undefined;
      if (!/connection: close/i.test(head)) {
        answered(status);
        return true;
      }
      isClosing = true;
      socket.destroy();
      void connect().then(() => {
        isClosing = false;
        answered(status);
      });
      return false;
    };
    let socket: net.Socket;
    const connect = async (): Promise<void> => {
      socket = net.connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: { buffer: RECEIVED, callback: (length) => onData(RECEIVED.subarray(0, length)) },
      });
      await once(socket, 'connect');
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (!isClosing) throw new Error('the server closed a connection without an answer');
      });
    };
    await connect();
    return {
      room: () => (onAnswer === undefined ? 1 : 0),
      send: (callback) => {
        onAnswer = callback;
        pending = nextRequest();
      },
      flush: () => {
        if (pending !== undefined) socket.write(pending);
        pending = undefined;
      },
      close: async () => {
        isClosing = true;
        const closed = once(socket, 'close');
        socket.destroy();
        await closed;
      },
    };
  };
}

/** Whether it is a whole response 204, which has no body. */
function isNoContent(data: Buffer): boolean {
  return (
    data[9] === 0x32 &&
    data[10] === 0x30 &&
    data[11] === 0x34 &&
    data.readUInt32BE(data.length - 4) === END_OF_HEAD_UINT
  );
}
