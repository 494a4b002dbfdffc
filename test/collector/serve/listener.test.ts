import http2 from 'node:http2';
import { expect, test } from 'vitest';
import { openListener } from '../../../src/collector/serve/listener.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { expectNothingLeftOpen } from '../../support/held.ts';
import { createKeptLog } from '../../support/log.ts';
import { TEST_LIMITS } from '../../support/test-limits.ts';

expectNothingLeftOpen();

test('an exception of a handler ends its own request only, over either version of HTTP', async () => {
  const log = createKeptLog();
  const fail = (): never => {
    throw new Error('nobody expected this');
  };
  const listener = await openListener({
    port: 0,
    host: '127.0.0.1',
    routes: { stream: fail, request: fail },
    limits: TEST_LIMITS,
    addressKeyOf: () => undefined,
    clock: systemClock,
    random: () => 0.5,
    logger: log.logger,
  });
  const url = listener.url;
  try {
    for (let time = 0; time < 2; time += 1) {
      await expect(fetch(url)).rejects.toThrow('fetch failed');
      const session = http2.connect(url);
      const stream = session.request({ ':path': '/' });
      stream.on('error', () => undefined);
      await new Promise((resolve) => stream.once('close', resolve));
      expect(stream.sentHeaders).toBeDefined();
      session.destroy();
    }
    expect(log.messages('error')).toStrictEqual(Array(4).fill('a request handler failed'));
  } finally {
    await listener.close(100);
  }
});
