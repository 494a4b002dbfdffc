import { once } from 'node:events';
import net from 'node:net';
import type { LoadConnection, LoadRequest } from './load.ts';
import { legacyBodies } from './payloads.ts';

const END_OF_HEAD = Buffer.from('\r\n\r\n');
const NO_CONTENT = 204;

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
    let socket = await open(port);
    let onAnswer: ((succeeded: boolean) => void) | undefined;
    let pending: Buffer | undefined;
    let held: Buffer | undefined;
    let isClosing = false;
    const answered = (status: number): void => {
      const call = onAnswer;
      onAnswer = undefined;
      call?.(status === NO_CONTENT);
    };
    const onData = (chunk: Buffer): void => {
      const data = held === undefined ? chunk : Buffer.concat([held, chunk]);
      held = data;
      const headEnd = data.indexOf(END_OF_HEAD);
      if (headEnd === -1) return;
      const status = Number(data.toString('latin1', 9, 12));
      if (status === NO_CONTENT) {
        held = undefined;
        answered(status);
        return;
      }
      const head = data.toString('latin1', 0, headEnd);
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1]);
      if (Number.isNaN(length)) throw new Error(`a response without a length: ${head}`);
      if (data.length < headEnd + END_OF_HEAD.length + length) return;
      held = undefined;
      if (!/connection: close/i.test(head)) return answered(status);
      isClosing = true;
      socket.destroy();
      void open(port).then((opened) => {
        socket = opened;
        isClosing = false;
        listen();
        answered(status);
      });
    };
    const listen = (): void => {
      socket.on('data', onData);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        if (!isClosing) throw new Error('the server closed a connection without an answer');
      });
    };
    listen();
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

async function open(port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  return socket;
}
