import { createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, expect, test } from 'vitest';
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../../gen/grpc/health/v1/health_pb.js';
import { convertErrors } from '../../../../src/collector/serve/rpc/convert-errors.ts';
import { createHealthService, createHealthState } from '../../../../src/collector/serve/rpc/health-service.ts';

const stops: AbortController[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop.abort();
});

/** A health service, and the listeners that its state has. */
function makeHealth() {
  const state = createHealthState();
  const stopping = new AbortController();
  stops.push(stopping);
  let listening = 0;
  const health = {
    ...state,
    get serving() {
      return state.serving;
    },
    onChange: (listener: () => void, signal: AbortSignal) => {
      listening += 1;
      signal.addEventListener('abort', () => (listening -= 1), { once: true });
      state.onChange(listener, signal);
    },
  };
  const client = createClient(
    Health,
    createRouterTransport(createHealthService(health, ['a.Service'], stopping.signal), {
      router: { interceptors: [convertErrors] },
    }),
  );
  return { state, stopping, client, listening: () => listening };
}

test('a listener is called on each change until its signal is aborted, and not with an aborted one', () => {
  const state = createHealthState();
  const calls: string[] = [];
  const [first, second] = [new AbortController(), new AbortController()];
  state.onChange(() => calls.push('first'), first.signal);
  state.onChange(() => calls.push('second'), second.signal);
  state.onChange(() => calls.push('never'), AbortSignal.abort());

  state.setServing(false, 'away');
  first.abort();
  state.setServing(false, 'still away');
  state.setServing(true);

  expect(calls).toStrictEqual(['first', 'second', 'second']);
  expect([state.serving, state.reason]).toStrictEqual([true, undefined]);
});

test('a Watch has each status once, and the last one when the collector stops', async () => {
  const { state, stopping, client } = makeHealth();
  const statuses: ServingStatus[] = [];
  const watching = (async () => {
    for await (const { status } of client.watch({ service: 'a.Service' })) statuses.push(status);
  })();
  await expect.poll(() => statuses).toStrictEqual([ServingStatus.SERVING]);

  state.setServing(false);
  await expect.poll(() => statuses.length).toBe(2);
  stopping.abort();

  await watching;
  expect(statuses).toStrictEqual([ServingStatus.SERVING, ServingStatus.NOT_SERVING]);
});

test('a Watch ends with its client, and is told of no change after it', async () => {
  const { client, listening } = makeHealth();
  const leaving = new AbortController();
  const watching = (async () => {
    for await (const _status of client.watch({ service: '' }, { signal: leaving.signal })) {
      expect(listening()).toBe(1);
      leaving.abort();
    }
  })();

  await expect(watching).rejects.toThrow(/aborted/);

  expect(listening()).toBe(0);
});

test('Check and List have the status of each service, and of the whole server, whose name is empty', async () => {
  const { state, client } = makeHealth();
  const { SERVING, NOT_SERVING } = ServingStatus;

  await expect(client.check({ service: '' })).resolves.toMatchObject({ status: SERVING });
  await expect(client.list({})).resolves.toMatchObject({
    statuses: { '': { status: SERVING }, 'a.Service': { status: SERVING } },
  });
  state.setServing(false, 'away');

  await expect(client.check({ service: 'a.Service' })).resolves.toMatchObject({ status: NOT_SERVING });
  await expect(client.list({})).resolves.toMatchObject({ statuses: { 'a.Service': { status: NOT_SERVING } } });
  expect([state.serving, state.reason]).toStrictEqual([false, 'away']);
});

test('an unknown service is not found by Check, and unknown to Watch, also after a change', async () => {
  const { state, stopping, client, listening } = makeHealth();
  await expect(client.check({ service: 'x' })).rejects.toThrow('unknown service "x"');

  const watching = client.watch({ service: 'x' })[Symbol.asyncIterator]();
  await expect(watching.next()).resolves.toMatchObject({ value: { status: ServingStatus.SERVICE_UNKNOWN } });
  state.setServing(false);
  stopping.abort();

  await expect(watching.next()).resolves.toMatchObject({ done: true });
  expect(listening()).toBe(0);
});
