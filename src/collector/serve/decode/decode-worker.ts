import { parentPort, workerData } from 'node:worker_threads';
import { decodeMessage, type DecodeJob, type DecodeOptions } from './decode-message.ts';
import { inflate } from './inflate.ts';
import { toReply, transferable } from './worker-protocol.ts';

/** The program of the thread that large-decoder.ts starts: one reply per job. */
parentPort?.on('message', ({ compressed, ...job }: DecodeJob) => {
  let { bytes } = job;
  const { reply, transfer } = toReply(() => {
    if (compressed !== undefined) bytes = inflate(compressed.encoding, bytes, compressed.length, compressed.maxBytes);
    return decodeMessage({ ...job, bytes }, workerData as DecodeOptions);
  });
  // Freed at once, since the garbage collector would keep several of these.
  for (const buffer of transferable(bytes)) buffer.transfer(0);
  parentPort?.postMessage(reply, transfer);
});
