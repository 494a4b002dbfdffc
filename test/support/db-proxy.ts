import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { BSON } from 'mongodb';

/** A command that a driver sent, as far as it matters here. */
export interface WireCommand {
  /** Such as "insert". */
  readonly name: string;
  /** How many documents it has besides its body. */
  readonly documents: number;
  readonly body: BSON.Document;
}

/** What the proxy does with a command: forward it, respond itself, or reset the connection before or after the server has it. */
export type CommandAction =
  | 'pass'
  | { readonly response: BSON.Document }
  | 'reset'
  /** The server executes it, and the connection is reset in place of the response. */
  | 'reset-after'
  /** The server executes it, and the response is dropped. */
  | 'drop-response';

/** A proxy of a MongoDB server that injects network faults. */
export interface DbProxy {
  /** The connection string of the server through the proxy. */
  readonly uri: string;
  /** Sets what happens to each command from now on. */
  onCommand(decide: (command: WireCommand) => CommandAction): void;
  /** Resets all connections; new ones are accepted. */
  reset(): void;
  /** Rejects new connections, and resets the open ones. */
  reject(): void;
  /** Holds back all bytes in both directions; connections are still accepted. */
  hold(): void;
  /** Delays each chunk in both directions, in milliseconds. */
  delay(ms: number): void;
  /** Ends all faults. Held bytes are delivered, unless they are `lost`: then the open connections stay dead without either end knowing. */
  heal(held?: 'lost'): Promise<void>;
  close(): Promise<void>;
}

/** One connection through the proxy. */
interface Pipe {
  readonly client: net.Socket;
  readonly server: net.Socket;
  /** Writes that are held back. */
  readonly held: (() => void)[];
  /** Whether it is dead without either end knowing. */
  lost: boolean;
}

const HEADER_BYTES = 16;
const OP_MSG = 2013;

/**
 * Starts a proxy of a server.
 *
 * @param serverUri names a Unix socket or a host, without TLS
 */
export async function openDbProxy(serverUri: string): Promise<DbProxy> {
  const [, hostPart = '', database = ''] = /^mongodb:\/\/(?:[^@/]*@)?([^,/?]+)(?:\/([^?]*))?/.exec(serverUri) ?? [];
  const host = decodeURIComponent(hostPart);
  const [name = '', port = '27017'] = host.split(':');
  const pipes = new Set<Pipe>();
  let decide: (command: WireCommand) => CommandAction = () => 'pass';
  let held = false;
  let delayMs = 0;

  const server = net.createServer((client) => {
    const upstream = host.endsWith('.sock') ? net.connect(host) : net.connect(Number(port), name);
    const pipe: Pipe = { client, server: upstream, held: [], lost: false };
    pipes.add(pipe);
    let onResponse: 'reset' | 'drop' | undefined;
    const deliver = (target: net.Socket, bytes: Buffer): void => {
      const write = (): void => void (target.destroyed || pipe.lost ? undefined : target.write(bytes));
      if (held) pipe.held.push(write);
      else if (delayMs > 0) setTimeout(write, delayMs);
      else write();
    };
    let waiting: Buffer = Buffer.alloc(0);
    client.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      while (waiting.length >= HEADER_BYTES && waiting.length >= waiting.readInt32LE(0)) {
        const message = waiting.subarray(0, waiting.readInt32LE(0));
        waiting = waiting.subarray(message.length);
        const command = readCommand(message);
        const action = command === undefined ? 'pass' : decide(command);
        if (action === 'reset') {
          client.resetAndDestroy();
          return;
        }
        if (typeof action === 'object') {
          deliver(client, encodeResponse(message.readInt32LE(4), action.response));
          continue;
        }
        if (action === 'reset-after') onResponse = 'reset';
        if (action === 'drop-response') onResponse = 'drop';
        deliver(upstream, message);
      }
    });
    upstream.on('data', (chunk: Buffer) => {
      if (onResponse === 'reset') client.resetAndDestroy();
      else if (onResponse === undefined) deliver(client, chunk);
    });
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        pipes.delete(pipe);
        other.destroy();
      });
    }
  });
  const listen = async (atPort: number): Promise<void> => {
    server.listen(atPort, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port: ownPort } = server.address() as AddressInfo;
  const cutAll = (): void => {
    for (const { client } of pipes) client.resetAndDestroy();
  };

  return {
    uri: `mongodb://127.0.0.1:${ownPort}/${database}?directConnection=true`,
    onCommand: (next) => (decide = next),
    reset: cutAll,
    reject: () => {
      server.close();
      cutAll();
    },
    hold: () => (held = true),
    delay: (ms) => (delayMs = ms),
    heal: async (lost) => {
      decide = () => 'pass';
      held = false;
      delayMs = 0;
      for (const pipe of pipes) {
        if (lost === 'lost') pipe.lost = true;
        for (const write of pipe.held.splice(0)) write();
      }
      if (!server.listening) await listen(ownPort);
    },
    close: async () => {
      cutAll();
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    },
  };
}

function readCommand(message: Buffer): WireCommand | undefined {
  const command = readSections(message);
  if (command === undefined) return undefined;
  const { body, lists } = command;
  const documents = lists.reduce((sum, { items }) => sum + items.length, 0);
  return { name: Object.keys(body)[0] ?? '', documents, body };
}

/** A command with its lists of documents; undefined for the legacy handshake. */
export function readMessage(message: Buffer): BSON.Document | undefined {
  const command = readSections(message);
  if (command === undefined) return undefined;
  const lists = command.lists.map(({ name, items }) => [name, items.map((item) => BSON.deserialize(item))] as const);
  return { ...command.body, ...Object.fromEntries(lists) };
}

interface Sections {
  readonly body: BSON.Document;
  readonly lists: readonly { readonly name: string; readonly items: readonly Buffer[] }[];
}

/** https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg; undefined for the legacy handshake. */
function readSections(message: Buffer): Sections | undefined {
  if (message.readInt32LE(12) !== OP_MSG) return undefined;
  let body: BSON.Document = {};
  const lists: { readonly name: string; readonly items: readonly Buffer[] }[] = [];
  for (let at = HEADER_BYTES + 4; at + 5 <= message.length;) {
    const kind = message[at];
    const bytes = message.readInt32LE(at + 1);
    const section = message.subarray(at + 1, at + 1 + bytes);
    if (kind === 0) {
      body = BSON.deserialize(section);
    } else {
      const nameEnd = section.indexOf(0, 4);
      const items: Buffer[] = [];
      for (let offset = nameEnd + 1; offset < section.length; offset += section.readInt32LE(offset))
        items.push(section.subarray(offset, offset + section.readInt32LE(offset)));
      lists.push({ name: section.toString('utf8', 4, nameEnd), items });
    }
    at += 1 + bytes;
  }
  return { body, lists };
}

export function encodeResponse(responseTo: number, response: BSON.Document): Buffer {
  const body = BSON.serialize(response);
  const head = Buffer.alloc(HEADER_BYTES + 5);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([head, body]);
}
