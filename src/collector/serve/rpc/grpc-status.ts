import type { ConnectError } from '@connectrpc/connect';
import type { UniversalServerResponse } from '@connectrpc/connect/protocol';
import { setTrailerStatus } from '@connectrpc/connect/protocol-grpc';
import { encodeGrpcMessage } from '../../../runtime/grpc-message.ts';

const MESSAGE = 'grpc-message';

/** The trailers of an error: `grpc-status`, `grpc-message` and `grpc-status-details-bin`. */
export function grpcTrailers(error: ConnectError): Record<string, string> {
  const trailers = new Headers();
  setTrailerStatus(trailers, error);
  trailers.set(MESSAGE, encodeGrpcMessage(error.rawMessage));
  return Object.fromEntries(trailers);
}

/** Connect encodes more of `grpc-message` than the protocol demands, see {@link encodeGrpcMessage}. It sets the trailers at the end of the body. */
export function withPlainMessage(response: UniversalServerResponse): UniversalServerResponse {
  const { body, trailer } = response;
  if (body === undefined || trailer === undefined) return response;
  return { ...response, body: reencodeAfter(body, trailer) };
}

async function* reencodeAfter<Chunk>(body: AsyncIterable<Chunk>, trailer: Headers): AsyncGenerator<Chunk> {
  yield* body;
  const message = trailer.get(MESSAGE);
  if (message !== null) trailer.set(MESSAGE, encodeGrpcMessage(decodeURIComponent(message)));
}
