import type { Interceptor } from '@connectrpc/connect';
import { SpartakusError } from '../../../runtime/errors.ts';
import { toConnectError } from '../error-status.ts';

/** Lets services throw SpartakusErrors. */
export const convertErrors: Interceptor = (next) => async (request) => {
  try {
    const response = await next(request);
    return response.stream ? { ...response, message: convertIterable(response.message) } : response;
  } catch (error) {
    throw convert(error);
  }
};

/** @param replacement the error that takes the place of another, where it is not undefined */
export async function* convertIterable<Item>(
  items: AsyncIterable<Item>,
  replacement: () => SpartakusError | undefined = () => undefined,
): AsyncGenerator<Item> {
  try {
    yield* items;
  } catch (error) {
    throw convert(replacement() ?? error);
  }
}

/** Connect answers other errors with INTERNAL and without their message. */
function convert(error: unknown): unknown {
  return error instanceof SpartakusError ? toConnectError(error) : error;
}
