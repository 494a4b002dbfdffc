import { EventEmitter } from 'node:events';
import { vi } from 'vitest';
import type { ServerReply, ServerRequest } from '../../src/collector/serve/http/router.ts';
import type { RequestOrigin } from '../../src/report/request-origin.ts';

type Handler = (req: ServerRequest, res: ServerReply, origin: RequestOrigin) => void;

interface ExchangeOptions {
  readonly method?: string;
  readonly url?: string | undefined;
  readonly headers?: Readonly<Record<string, string>>;
}

interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | number>>;
  readonly body: string | undefined;
}

/** A request without a connection, whose body the test emits, and the response to it. */
export function startExchange(handler: Handler, { method = 'GET', url, headers = {} }: ExchangeOptions = {}) {
  const req = Object.assign(new EventEmitter(), { method, url, headers });
  const answered = Promise.withResolvers<Answered>();
  const sent = new Map<string, string | number>();
  const res = Object.assign(new EventEmitter(), {
    destroyed: false,
    writableEnded: false,
    statusCode: 0,
    setHeader: (name: string, value: string | number) => void sent.set(name, value),
    end: vi.fn<(body?: Uint8Array) => void>((body) =>
      answered.resolve({
        status: res.statusCode,
        headers: Object.fromEntries(sent),
        body: body && Buffer.from(body).toString(),
      }),
    ),
  });
  handler(req as never as ServerRequest, res as never as ServerReply, { protocol: 'http' });
  return { req, res, response: answered.promise };
}
