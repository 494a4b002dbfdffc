import { BSON } from 'mongodb';

export type Doc = Record<string, unknown>;

/** A section of an OP_MSG with the documents of one field, each in BSON. */
export interface Sequence {
  readonly field: string;
  readonly documents: readonly Uint8Array[];
}

/** A command that a driver sent. */
export interface Request {
  readonly id: number;
  /** Such as "insert". */
  readonly name: string;
  /** Numbers are not converted, so that it can be sent on without a change. */
  readonly body: Doc;
  readonly sequences: readonly Sequence[];
  /** Whether the client takes several responses to it. */
  readonly exhaustAllowed: boolean;
  /** Whether it is an OP_QUERY: drivers begin a connection with one. */
  readonly isQuery: boolean;
}

const HEADER_BYTES = 16;
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const CHECKSUM_PRESENT = 1;
const MORE_TO_COME = 2;
const EXHAUST_ALLOWED = 1 << 16;
const KEEP_TYPES = { promoteValues: false, promoteBuffers: false, bsonRegExp: true };

let lastId = 0;

/** Collects chunks of a stream, and calls back with each whole message. */
export function createMessageReader(onMessage: (message: Buffer) => void): (chunk: Buffer) => void {
  let waiting = Buffer.alloc(0);
  return (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= HEADER_BYTES && waiting.length >= waiting.readInt32LE(0)) {
      const length = waiting.readInt32LE(0);
      const message = waiting.subarray(0, length);
      waiting = waiting.subarray(length);
      onMessage(message);
    }
  };
}

/** https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
export function readRequest(message: Buffer): Request {
  const id = message.readInt32LE(4);
  const opCode = message.readInt32LE(12);
  if (opCode === OP_QUERY) {
    // Flags, the name of the collection, the number to skip, the number to return.
    const at = message.indexOf(0, HEADER_BYTES + 4) + 1 + 8;
    const body = readDocument(message.subarray(at));
    return { id, name: nameOf(body), body, sequences: [], exhaustAllowed: false, isQuery: true };
  }
  if (opCode !== OP_MSG) throw new Error(`the opcode ${opCode} is not supported`);
  const flags = message.readInt32LE(HEADER_BYTES);
  const end = message.length - ((flags & CHECKSUM_PRESENT) === 0 ? 0 : 4);
  let body: Doc = {};
  const sequences: Sequence[] = [];
  for (let at = HEADER_BYTES + 4; at < end;) {
    const kind = message[at];
    const length = message.readInt32LE(at + 1);
    const section = message.subarray(at + 1, at + 1 + length);
    if (kind === 0) body = readDocument(section);
    else sequences.push(readSequence(section));
    at += 1 + length;
  }
  return { id, name: nameOf(body), body, sequences, exhaustAllowed: (flags & EXHAUST_ALLOWED) !== 0, isQuery: false };
}

function readSequence(section: Buffer): Sequence {
  const nameEnd = section.indexOf(0, 4);
  const documents: Buffer[] = [];
  for (let at = nameEnd + 1; at < section.length; at += section.readInt32LE(at))
    documents.push(section.subarray(at, at + section.readInt32LE(at)));
  return { field: section.toString('utf8', 4, nameEnd), documents };
}

/** The document of a response of a server. */
export function readResponse(message: Buffer): { readonly responseTo: number; readonly document: Doc } {
  return { responseTo: message.readInt32LE(8), document: readDocument(message.subarray(HEADER_BYTES + 5)) };
}

export function encodeCommand(
  body: Doc,
  sequences: readonly Sequence[],
): { readonly id: number; readonly bytes: Buffer } {
  const id = nextId();
  const sections = sequences.map(({ field, documents }) => {
    const content = Buffer.concat([Buffer.from(`${field}\0`), ...documents]);
    const head = Buffer.alloc(5);
    head[0] = 1;
    head.writeInt32LE(content.length + 4, 1);
    return Buffer.concat([head, content]);
  });
  return { id, bytes: encodeMessage(id, 0, 0, Buffer.concat([Buffer.alloc(1), BSON.serialize(body), ...sections])) };
}

/** The response to a command; `more` announces another one. */
export function encodeResponse(
  { id: responseTo, isQuery }: Pick<Request, 'id' | 'isQuery'>,
  document: Doc,
  more = false,
): { readonly id: number; readonly bytes: Buffer } {
  const id = nextId();
  const body = BSON.serialize(document);
  if (!isQuery)
    return {
      id,
      bytes: encodeMessage(id, responseTo, more ? MORE_TO_COME : 0, Buffer.concat([Buffer.alloc(1), body])),
    };
  const head = Buffer.alloc(HEADER_BYTES + 20);
  head.writeInt32LE(head.length + body.length, 0);
  head.writeInt32LE(id, 4);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(OP_REPLY, 12);
  head.writeInt32LE(1, HEADER_BYTES + 16);
  return { id, bytes: Buffer.concat([head, body]) };
}

function encodeMessage(id: number, responseTo: number, flags: number, sections: Buffer): Buffer {
  const head = Buffer.alloc(HEADER_BYTES + 4);
  head.writeInt32LE(head.length + sections.length, 0);
  head.writeInt32LE(id, 4);
  head.writeInt32LE(responseTo, 8);
  head.writeInt32LE(OP_MSG, 12);
  head.writeInt32LE(flags, HEADER_BYTES);
  return Buffer.concat([head, sections]);
}

function nextId(): number {
  lastId = (lastId + 1) % 2 ** 31;
  return lastId;
}

function readDocument(bytes: Uint8Array): Doc {
  return BSON.deserialize(bytes, { ...KEEP_TYPES, allowObjectSmallerThanBufferSize: true });
}

function nameOf(body: Doc): string {
  return Object.keys(body)[0] ?? '';
}
