/** Everything but %x20-%x24 and %x26-%x7E, see Percent-Byte-Unencoded. A space at either end would be lost: HTTP trims field values. */
const ENCODED = /[^\x20-\x24\x26-\x7e]+|^ +| +$/g;
const ESCAPES = /(?:%[0-9a-f]{2})+/gi;

/**
 * A text as `grpc-message` (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#responses). No more is encoded than the protocol
 * demands, because grpc-js decodes with decodeURI, and would show an encoded ":" as "%3A".
 */
export function encodeGrpcMessage(text: string): string {
  return text.replaceAll(ENCODED, (part) => Buffer.from(part).toString('hex').toUpperCase().replaceAll(/../g, '%$&'));
}

/** Decodes all escapes; as the protocol demands, invalid ones remain as they are. Bytes that are no UTF-8 become U+FFFD. */
export function decodeGrpcMessage(message: string): string {
  return message.replaceAll(ESCAPES, (escapes) => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString());
}
