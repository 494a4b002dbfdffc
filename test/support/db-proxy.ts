import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import { BSON } from 'mongodb';

/** A command that a driver sent, as far as it matters here. */
export interface WireCommand {
  /** Such as "insert". */
  readonly name: string;
  /** How many documents it carries beside its body. */
  readonly documents: number;
}

/** What the proxy does with a command: lets it pass, answers itself, or breaks the connection before or after the server has it. */
export type Fate =
  | 'pass'
  | { readonly answer: BSON.Document }
  | 'reset'
  /** The server gets it and does it; the answer never comes through, for the connection is reset in its place. */
  | 'reset-after'
  /** The server answers, and nobody ever hears it. */
  | 'swallow-answer';

/** A way to a MongoDB server on which everything can go wrong. */
export interface DbProxy {
  /** The address of the server by way of the proxy. */
  readonly uri: string;
  /** Decides what becomes of each command from now on. */
  onCommand(decide: (command: WireCommand) => Fate): void;
  /** Every connection is reset; new ones are taken as ever. */
  reset(): void;
  /** Takes no connections any more, and resets those there are. */
  refuse(): void;
  /** Nothing comes through in either direction. Connections are taken, and bytes too; they wait. */
  hold(): void;
  /** From now on each chunk of bytes takes so long, in milliseconds, in either direction. */
  delay(ms: number): void;
  /** Everything works again. What was held comes through, unless it is `lost`: then the connections of before stay dead, unknown to both ends. */
  heal(held?: 'lost'): Promise<void>;
  close(): Promise<void>;
}

/** One connection through the proxy. */
interface Pipe {
  readonly client: net.Socket;
  readonly server: net.Socket;
  /** Bytes that are held back, with where they go. */
  readonly held: (() => void)[];
  /** Whether it is dead without either end knowing. */
  lost: boolean;
}

const HEADER_BYTES = 16;
const OP_MSG = 2013;

/**
 * A proxy before the server of an address.
 *
 * @param serverUri names a Unix socket or a host, without TLS
 */
export async function openDbProxy(serverUri: string): Promise<DbProxy> {
  const host = decodeURIComponent(/^mongodb:\/\/(?:[^@/]*@)?([^,/?]+)/.exec(serverUri)?.[1] ?? '');
  const [name = '', port = '27017'] = host.split(':');
  const pipes = new Set<Pipe>();
  let decide: (command: WireCommand) => Fate = () => 'pass';
  let held = false;
  let delayMs = 0;

  const server = net.createServer((client) => {
    const upstream = host.endsWith('.sock') ? net.connect(host) : net.connect(Number(port), name);
    const pipe: Pipe = { client, server: upstream, held: [], lost: false };
    pipes.add(pipe);
    let mute: 'reset' | 'silent' | undefined;
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
        const fate = command === undefined ? 'pass' : decide(command);
        if (fate === 'reset') {
          client.resetAndDestroy();
          return;
        }
        if (typeof fate === 'object') {
          deliver(client, writeAnswer(message.readInt32LE(4), fate.answer));
          continue;
        }
        if (fate === 'reset-after') mute = 'reset';
        if (fate === 'swallow-answer') mute = 'silent';
        deliver(upstream, message);
      }
    });
    upstream.on('data', (chunk: Buffer) => {
      if (mute === 'reset') client.resetAndDestroy();
      else if (mute === undefined) deliver(client, chunk);
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
  const listen = async (at: number): Promise<void> => {
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port: ownPort } = server.address() as AddressInfo;
  const cutAll = (): void => {
    for (const { client } of pipes) client.resetAndDestroy();
  };

  return {
    uri: `mongodb://127.0.0.1:${ownPort}/?directConnection=true`,
    onCommand: (next) => (decide = next),
    reset: cutAll,
    refuse: () => {
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

/** https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/#op_msg; the handshake of old is undefined. */
function readCommand(message: Buffer): WireCommand | undefined {
  if (message.readInt32LE(12) !== OP_MSG) return undefined;
  let name = '';
  let documents = 0;
  for (let at = HEADER_BYTES + 4; at + 5 <= message.length;) {
    const kind = message[at];
    const bytes = message.readInt32LE(at + 1);
    const section = message.subarray(at + 1, at + 1 + bytes);
    if (kind === 0) name = Object.keys(BSON.deserialize(section))[0] ?? '';
    else
      for (let in_ = section.indexOf(0, 4) + 1; in_ < section.length; in_ += section.readInt32LE(in_)) documents += 1;
    at += 1 + bytes;
  }
  return { name, documents };
}

function writeAnswer(to: number, answer: BSON.Document): Buffer {
  const body = BSON.serialize(answer);
  const head = Buffer.alloc(HEADER_BYTES + 5);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(to, 8);
  head.writeInt32LE(OP_MSG, 12);
  return Buffer.concat([head, body]);
}
