import { isMarkedAsUntransferable } from 'node:worker_threads';
import { type ErrorKind, SpartakusError } from '../../../runtime/errors.ts';
import type { Decoded, DecodedEntry } from './decode-message.ts';

/** A SpartakusError without its class and cause, which are lost between threads. */
interface PlainError {
  readonly kind: ErrorKind;
  readonly message: string;
  readonly field?: string | undefined;
  readonly retryAfterMs?: number | undefined;
}

type PlainEntry =
  | Extract<DecodedEntry, { readonly document: unknown }>
  | { readonly reportId: string; readonly error: PlainError };

/** The reply of the thread to one job. */
export type Reply =
  | { readonly decoded: Omit<Decoded, 'entries'> & { readonly entries: readonly PlainEntry[] } }
  | { readonly error: PlainError };

/** Calls `decode`. Large documents are to be transferred, not copied. */
export function toReply(decode: () => Decoded): { readonly reply: Reply; readonly transfer: ArrayBuffer[] } {
  try {
    const { entries, ...decoded } = decode();
    const transfer: ArrayBuffer[] = [];
    const plain = entries.map((entry): PlainEntry => {
      if ('error' in entry) return { ...entry, error: plainError(entry.error) };
      const { document } = entry;
      // A part of Node.js' pool is copied alone, not with the pool.
      const fields = transferable(document.fields).length > 0 ? document.fields : new Uint8Array(document.fields);
      transfer.push(fields.buffer as ArrayBuffer);
      return { document: { ...document, fields } };
    });
    return { reply: { decoded: { ...decoded, entries: plain } }, transfer };
  } catch (error) {
    return { reply: { error: plainError(SpartakusError.from(error)) }, transfer: [] };
  }
}

/** The buffer of bytes, where it is no part of Node.js' pool. */
export function transferable({ buffer }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer && !isMarkedAsUntransferable(buffer) ? [buffer] : [];
}

/** @throws the error of the job */
export function fromReply(reply: Reply): Decoded {
  if ('error' in reply) throw spartakusError(reply.error);
  const { entries, ...decoded } = reply.decoded;
  return {
    ...decoded,
    entries: entries.map((entry) => ('document' in entry ? entry : { ...entry, error: spartakusError(entry.error) })),
  };
}

function plainError({ kind, message, field, retryAfterMs }: SpartakusError): PlainError {
  return { kind, message, field, retryAfterMs };
}

function spartakusError({ kind, message, ...details }: PlainError): SpartakusError {
  return new SpartakusError(kind, message, details);
}
