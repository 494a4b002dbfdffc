import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMessageReader, type Doc, encodeResponse, readRequest, type Request } from './wire.ts';

/** A client's connection. */
export interface ClientConnection {
  readonly id: number;
  /** Resolves when it ends. */
  readonly closed: AbortSignal;
  /** What the handler keeps for it. */
  readonly resources: (() => void)[];
}

interface WireServerOptions {
  /** The response to `hello`, now. */
  readonly hello: (connection: ClientConnection) => Doc;
  /** The number in `topologyVersion` of a hello. */
  readonly topologyCounter: () => number;
  /** Resolves when the number has changed. */
  readonly topologyChanged: () => Promise<void>;
  /** Undefined closes the connection instead of a response. */
  readonly handle: (request: Request, connection: ClientConnection) => Promise<Doc | undefined>;
}

/** A server that speaks MongoDB's protocol on 127.0.0.1, as far as driver 7.8 uses it without authentication. */
export interface WireServer {
  /** Such as "127.0.0.1:40001". */
  readonly address: string;
  /** Closes the connections of clients; those that only monitor stay. */
  closeConnections(): void;
  /** No byte passes any more, in either direction; connections are still accepted. */
  isolate(): void;
  /** Rejects connections, and closes those that are open: the process has ended. */
  stop(): void;
  /** Ends `isolate` and `stop`. Connections that were isolated are closed. */
  recover(): Promise<void>;
  close(): Promise<void>;
}

interface OpenConnection extends ClientConnection {
  readonly socket: net.Socket;
  monitorsOnly: boolean;
}

const HELLO = new Set(['hello', 'ismaster', 'isMaster']);

export async function openWireServer(options: WireServerOptions): Promise<WireServer> {
  const { hello, handle, topologyCounter, topologyChanged } = options;
  const connections = new Set<OpenConnection>();
  let lastId = 0;
  let isolated = false;

  const server = net.createServer((socket) => {
    const ended = new AbortController();
    lastId += 1;
    const connection: OpenConnection = { id: lastId, closed: ended.signal, resources: [], socket, monitorsOnly: true };
    connections.add(connection);
    socket.setNoDelay(true);
    const send = (bytes: Buffer): void => void (isolated || socket.destroyed ? undefined : socket.write(bytes));
    /** As servers do: at once, or when the topology has changed or the time is over; then again, if the client allows it. */
    const answerHello = async (request: Request): Promise<void> => {
      const version = request.body['topologyVersion'] as { readonly counter: unknown } | undefined;
      let known = version === undefined ? undefined : Number(version.counter);
      let answered: Pick<Request, 'id' | 'isQuery'> = request;
      do {
        const maxAwaitMs = Number(request.body['maxAwaitTimeMS'] ?? 0);
        const timer = new AbortController();
        if (known === topologyCounter())
          await Promise.race([
            topologyChanged(),
            sleep(maxAwaitMs, undefined, { signal: AbortSignal.any([timer.signal, ended.signal]) }).catch(
              () => undefined,
            ),
          ]);
        timer.abort();
        known = topologyCounter();
        const { id, bytes } = encodeResponse(answered, hello(connection), request.exhaustAllowed);
        send(bytes);
        answered = { id, isQuery: false };
      } while (request.exhaustAllowed && !ended.signal.aborted);
    };
    /** One after the other, as a server does. */
    let previous: Promise<void> = Promise.resolve();
    const answer = async (request: Request): Promise<void> => {
      if (HELLO.has(request.name)) return await answerHello(request);
      connection.monitorsOnly = false;
      const response = await handle(request, connection);
      if (response === undefined) socket.destroy();
      else send(encodeResponse(request, response).bytes);
    };
    socket.on(
      'data',
      createMessageReader((message) => {
        if (isolated) return;
        const request = readRequest(Buffer.from(message));
        previous = previous.then(() => answer(request)).catch(() => void socket.destroy());
      }),
    );
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      connections.delete(connection);
      ended.abort();
      for (const release of connection.resources) release();
    });
  });
  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const closeAll = (): void => {
    for (const { socket } of connections) socket.resetAndDestroy();
  };

  return {
    address: `127.0.0.1:${port}`,
    closeConnections: () => {
      for (const { socket, monitorsOnly } of connections) if (!monitorsOnly) socket.destroy();
    },
    isolate: () => (isolated = true),
    stop: () => {
      server.close();
      closeAll();
    },
    recover: async () => {
      if (isolated) closeAll();
      isolated = false;
      if (!server.listening) await listen(port);
    },
    close: async () => {
      closeAll();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}
