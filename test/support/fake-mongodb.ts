import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { BSON } from 'mongodb';
import { encodeResponse, readMessage } from './db-proxy.ts';

/** A response to a command, or what the server does in place of one. */
type FakeResponse = BSON.Document | 'reset' | 'no response';

/** Decides on a command; undefined for the response of a server that has no data. */
export type FakeHandler = (
  command: BSON.Document,
  name: string,
) => FakeResponse | undefined | Promise<FakeResponse | undefined>;

/** A server that speaks MongoDB's protocol, stores nothing, and responds as the test says. */
export interface FakeMongodb {
  /** Of a single server. */
  readonly uri: string;
  /** Of a replica set whose only member is this server. */
  readonly replicaSetUri: string;
  /** The commands that clients have sent, without those of the driver's own. Lists of documents are in the command. */
  readonly commands: readonly BSON.Document[];
  /** The commands of a name, such as "insert". */
  sent(name: string): readonly BSON.Document[];
  /** Sets the responses from now on. */
  on(handler: FakeHandler): void;
  /** Changes what the server says of itself in the response to `hello`. */
  describe(hello: BSON.Document): void;
  /** How many connections are open. */
  connections(): number;
  close(): Promise<void>;
}

const OWN_COMMANDS = new Set(['hello', 'ismaster', 'isMaster', 'endSessions']);
/** https://www.mongodb.com/docs/manual/reference/command/hello/ */
const HELLO = {
  ok: 1,
  helloOk: true,
  isWritablePrimary: true,
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  logicalSessionTimeoutMinutes: 30,
  minWireVersion: 0,
  maxWireVersion: 21,
  readOnly: false,
};

/** An error of a server: https://www.mongodb.com/docs/manual/reference/error-codes/ */
export function fails(code: number, codeName: string, errorLabels: readonly string[] = []): BSON.Document {
  return { ok: 0, code, codeName, errmsg: `${codeName} at db-7.internal:27017`, errorLabels };
}

/** The response to a command that returns documents. */
export function cursorOf(documents: readonly BSON.Document[], ns = 'spartakus.reports'): BSON.Document {
  return { ok: 1, cursor: { id: BSON.Long.ZERO, ns, firstBatch: documents } };
}

/** @param socketPath of a Unix socket; by default a port of 127.0.0.1 */
export async function openFakeMongodb(socketPath?: string): Promise<FakeMongodb> {
  const commands: BSON.Document[] = [];
  const sockets = new Set<net.Socket>();
  let handler: FakeHandler = () => undefined;
  let own: BSON.Document = {};
  const respond = async (socket: net.Socket, message: Buffer): Promise<void> => {
    const command = readMessage(message);
    const name = Object.keys(command ?? {})[0] ?? 'hello';
    let response: FakeResponse | undefined;
    if (command !== undefined && !OWN_COMMANDS.has(name)) {
      commands.push(command);
      response = await handler(command, name);
    }
    if (response === 'no response') return;
    if (response === 'reset') socket.resetAndDestroy();
    else if (!socket.destroyed)
      socket.write(encodeResponse(message.readInt32LE(4), response ?? respondTo(name, command ?? {})));
  };
  const respondTo = (name: string, command: BSON.Document): BSON.Document => {
    if (OWN_COMMANDS.has(name)) return { ...HELLO, ...own };
    if (name === 'insert') return { ok: 1, n: (command['documents'] as readonly unknown[]).length };
    if (name === 'update') return { ok: 1, n: 1, nModified: 1 };
    if (name === 'find' || name === 'aggregate' || name.startsWith('list')) return cursorOf([]);
    return { ok: 1, n: 0 };
  };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    let waiting: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= 4 && waiting.length >= waiting.readInt32LE(0)) {
        const message = waiting.subarray(0, waiting.readInt32LE(0));
        waiting = waiting.subarray(message.length);
        void respond(socket, message);
      }
    });
  });
  if (socketPath === undefined) server.listen(0, '127.0.0.1');
  else server.listen(socketPath);
  await once(server, 'listening');
  const address =
    socketPath === undefined ? `127.0.0.1:${(server.address() as AddressInfo).port}` : encodeURIComponent(socketPath);
  return {
    uri: `mongodb://${address}/spartakus?directConnection=true`,
    replicaSetUri: `mongodb://${address}/spartakus?replicaSet=rs0`,
    commands,
    sent: (name) => commands.filter((command) => Object.keys(command)[0] === name),
    on: (next) => (handler = next),
    describe: (hello) =>
      (own = { setName: 'rs0', me: address, hosts: [address], setVersion: 1, secondary: false, ...hello }),
    connections: () => sockets.size,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
