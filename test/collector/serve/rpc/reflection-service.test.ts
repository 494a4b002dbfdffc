import { getEventListeners } from 'node:events';
import { createClient, createRouterTransport, type Interceptor } from '@connectrpc/connect';
import { expect, test } from 'vitest';
import { ServerReflection } from '../../../../gen/grpc/reflection/v1/reflection_pb.js';
import { file_spartakus_collector_v1_collector_service } from '../../../../gen/spartakus/collector/v1/collector_service_pb.js';
import { createReflectionService } from '../../../../src/collector/serve/rpc/reflection-service.ts';

/** More than may wait for clients at a time. */
const REQUESTS = 40;

test('responses that are sent are given back, and leave no listener on their stream', async () => {
  const signals: AbortSignal[] = [];
  const keepSignal: Interceptor = (next) => (request) => {
    signals.push(request.signal);
    return next(request);
  };
  const transport = createRouterTransport(createReflectionService([file_spartakus_collector_v1_collector_service]), {
    router: { interceptors: [keepSignal] },
  });
  const listeners: number[] = [];
  let ended: () => void = () => undefined;
  const waiting = new Promise<void>((resolve) => (ended = resolve));
  async function* requests() {
    for (let sent = 0; sent < REQUESTS; sent += 1)
      yield await Promise.resolve({ messageRequest: { case: 'listServices' as const, value: '' } });
    await waiting;
  }

  for await (const { messageResponse } of createClient(ServerReflection, transport).serverReflectionInfo(requests())) {
    expect(messageResponse.case).toBe('listServicesResponse');
    listeners.push(getEventListeners(signals[0]!, 'abort').length);
    if (listeners.length === REQUESTS) ended();
  }

  expect(signals).toHaveLength(1);
  expect(listeners.at(-1)).toBe(listeners[1]);
});
