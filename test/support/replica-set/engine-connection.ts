import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientConnection } from './wire-server.ts';
import { createMessageReader, type Doc, encodeCommand, readResponse, type Sequence } from './wire.ts';

/** A connection to the server that has the data. It runs one command at a time. */
export interface EngineConnection {
  /** Resolves with the response, also where that is an error. */
  run(body: Doc, sequences?: readonly Sequence[]): Promise<Doc>;
  close(): void;
}

/** @param uri names a Unix socket or a host, without TLS */
export async function openEngineConnection(uri: string): Promise<EngineConnection> {
  const host = decodeURIComponent(/^mongodb:\/\/(?:[^@/]*@)?([^,/?]+)/.exec(uri)?.[1] ?? '');
  const [name = '', port = '27017'] = host.split(':');
  const socket = host.endsWith('.sock') ? net.connect(host) : net.connect(Number(port), name);
  const pending = new Map<number, PromiseWithResolvers<Doc>>();
  const fail = (): void => {
    for (const { reject } of pending.values()) reject(new Error('the connection to the engine ended'));
    pending.clear();
  };
  await once(socket, 'connect');
  socket.on('error', () => socket.destroy());
  socket.on('close', fail);
  socket.on(
    'data',
    createMessageReader((message) => {
      const { responseTo, document } = readResponse(message);
      pending.get(responseTo)?.resolve(document);
      pending.delete(responseTo);
    }),
  );
  return {
    run: (body, sequences = []) => {
      const { id, bytes } = encodeCommand(body, sequences);
      const response = Promise.withResolvers<Doc>();
      pending.set(id, response);
      if (socket.destroyed) fail();
      else socket.write(bytes);
      return response.promise;
    },
    close: () => socket.destroy(),
  };
}

/** Opens a connection to the engine for each connection of a client that has a command for it. */
export function createEngineConnections(uri: string): (client: ClientConnection) => Promise<EngineConnection> {
  const engines = new Map<ClientConnection, Promise<EngineConnection>>();
  return (client) => {
    let engine = engines.get(client);
    if (engine === undefined) {
      const opening = openEngineConnection(uri);
      engines.set(client, opening);
      client.resources.push(() => {
        engines.delete(client);
        // A write that runs is not interrupted: what a server has executed stays, unless it is rolled back.
        void opening.then(async (opened) => {
          await sleep(CLOSE_DELAY_MS, undefined, { ref: false });
          opened.close();
        });
      });
      engine = opening;
    }
    return engine;
  };
}

/** What a server says in `hello` about the sizes of messages, and the versions of the protocol that it speaks. */
export async function readLimits(engine: EngineConnection): Promise<Doc> {
  const hello = await engine.run({ hello: 1, $db: 'admin' });
  const names = ['maxBsonObjectSize', 'maxMessageSizeBytes', 'maxWriteBatchSize', 'minWireVersion', 'maxWireVersion'];
  return Object.fromEntries(names.map((name) => [name, hello[name]]));
}

/** The database that a connection string names. */
export function databaseOf(uri: string): string {
  return /^[^?]*\/([^/?]+)(?:\?|$)/.exec(uri)?.[1] ?? 'spartakus';
}

const CLOSE_DELAY_MS = 1_000;
