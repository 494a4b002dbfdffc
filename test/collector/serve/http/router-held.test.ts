import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createMemoryLimiter } from '../../../../src/collector/serve/admission/memory-limiter.ts';
import { createHttpHandler, type HttpRequest, type HttpResponse } from '../../../../src/collector/serve/http/router.ts';
import { SpartakusError } from '../../../../src/runtime/errors.ts';
import { startExchange } from '../../../support/http-exchange.ts';

const BODY_TIMEOUT_MS = 5_000;
const MAX_BYTES = 100;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Handles a POST whose body the test sends; what the handler of the route has in the meantime is held. */
function makeRequest(
  handle: (request: HttpRequest) => Promise<HttpResponse>,
  check: (chunk: Uint8Array) => void = () => undefined,
) {
  const memory = createMemoryLimiter(1_000_000);
  const rejections: string[] = [];
  const handler = createHttpHandler(
    [
      {
        method: 'POST',
        path: '/',
        handle: async (request) => {
          await request.readBody(MAX_BYTES, check);
          return await handle(request);
        },
      },
    ],
    {
      memory,
      limits: { bodyTimeoutMs: BODY_TIMEOUT_MS },
      onRejection: (protocol, thrown) => rejections.push(`${protocol} ${SpartakusError.from(thrown).kind}`),
    },
  );
  const exchange = startExchange(handler, { method: 'POST', url: '/' });
  const status = exchange.response.then((response) => response.status);
  return { ...exchange, memory, rejections, status };
}

const stored = (): Promise<HttpResponse> => Promise.resolve({ status: 204 });
const bytes = (count: number): Buffer => Buffer.alloc(count, 'x');

describe('afterwards nothing is held', () => {
  const expectNothingHeld = ({ memory, req }: ReturnType<typeof makeRequest>): void => {
    expect(memory.reservedBytes).toBe(0);
    // The timer that bodies share, which ends by itself.
    vi.advanceTimersByTime(BODY_TIMEOUT_MS);
    expect(vi.getTimerCount()).toBe(0);
    expect(req.listenerCount('data')).toBeLessThanOrEqual(1);
  };

  test('of a body that is answered', async () => {
    const request = makeRequest(stored);

    request.req.emit('data', bytes(60));
    expect(request.memory.reservedBytes).toBe(60);
    request.req.emit('data', bytes(40));
    expect(request.memory.reservedBytes).toBe(100);
    request.req.emit('end');

    await expect(request.status).resolves.toBe(204);
    expectNothingHeld(request);
  });

  test('of a body that is too large, the rest of which is not read into memory', async () => {
    const request = makeRequest(stored);

    request.req.emit('data', bytes(101));

    await expect(request.status).resolves.toBe(413);
    expectNothingHeld(request);
    expect(request.req.listenerCount('data')).toBe(0);
    expect(request.rejections).toStrictEqual(['http too-large']);
  });

  test('of a body that breaks the bounds of JSON', async () => {
    const request = makeRequest(stored, () => {
      throw new SpartakusError('invalid', 'too deep');
    });

    request.req.emit('data', bytes(10));

    await expect(request.status).resolves.toBe(400);
    expectNothingHeld(request);
    expect(request.req.listenerCount('data')).toBe(0);
  });

  test('of a body whose client leaves', async () => {
    const request = makeRequest(stored);

    request.req.emit('data', bytes(10));
    request.req.emit('close');

    await expect(request.status).resolves.toBe(400);
    expectNothingHeld(request);
  });

  test('of a body that does not arrive in time, which is to be sent again', async () => {
    const request = makeRequest(stored);
    request.req.emit('data', bytes(10));

    await vi.advanceTimersByTimeAsync(BODY_TIMEOUT_MS - 1);
    expect(request.rejections).toStrictEqual([]);
    await vi.advanceTimersByTimeAsync(1);

    await expect(request.status).resolves.toBe(503);
    await expect(request.response).resolves.toMatchObject({ headers: { 'retry-after': '1' } });
    expectNothingHeld(request);
  });

  test('of a body whose connection fails', async () => {
    const request = makeRequest(stored);

    request.req.emit('data', bytes(10));
    request.req.emit('error', new Error('reset'));

    await expect(request.status).resolves.toBe(400);
    expectNothingHeld(request);
    expect(request.rejections).toStrictEqual(['http invalid']);
  });

  test('of a handler that fails', async () => {
    const request = makeRequest(() => Promise.reject(new TypeError('broken')));

    request.req.emit('data', bytes(10));
    request.req.emit('end');

    await expect(request.status).resolves.toBe(500);
    expectNothingHeld(request);
    expect(request.rejections).toStrictEqual(['http internal']);
  });
});

test('a body of exactly the limit is read, while its handler works its memory is held, and no deadline runs', async () => {
  const work = Promise.withResolvers<HttpResponse>();
  const { req, memory, status } = makeRequest(() => work.promise);

  req.emit('data', bytes(MAX_BYTES));
  req.emit('end');
  await vi.advanceTimersByTimeAsync(10 * BODY_TIMEOUT_MS);
  expect(memory.reservedBytes).toBe(MAX_BYTES);
  work.resolve({ status: 200 });

  await expect(status).resolves.toBe(200);
  expect(memory.reservedBytes).toBe(0);
});

test('a client that leaves while its report is stored releases nothing early, and is sent nothing', async () => {
  const work = Promise.withResolvers<HttpResponse>();
  const { req, res, memory } = makeRequest(() => work.promise);
  req.emit('data', bytes(10));
  req.emit('end');

  res.destroyed = true;
  res.emit('close');
  await vi.advanceTimersByTimeAsync(0);
  expect(memory.reservedBytes).toBe(10);
  work.resolve({ status: 204 });
  await vi.advanceTimersByTimeAsync(0);

  expect(memory.reservedBytes).toBe(0);
  expect(res.end).not.toHaveBeenCalled();
});

test.each([
  [1, '1'],
  [1_000, '1'],
  [1_001, '2'],
])('after %i ms a client is asked to wait for %s s: never less', async (retryAfterMs, seconds) => {
  const { req, response } = makeRequest(() =>
    Promise.reject(new SpartakusError('overloaded', 'later', { retryAfterMs })),
  );

  req.emit('end');

  await expect(response).resolves.toMatchObject({ status: 429, headers: { 'retry-after': seconds } });
});
