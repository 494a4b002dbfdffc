import http from 'node:http';
import { buffer } from 'node:stream/consumers';
import { listen, shut } from './listen.ts';

/** An HTTP server that records request bodies. */
export interface TestServer {
  readonly url: string;
  /** Of each request that came, in order. */
  readonly bodies: readonly string[];
  close(): Promise<void>;
}

export async function startServer(
  answer: (body: string, response: http.ServerResponse) => unknown,
): Promise<TestServer> {
  const bodies: string[] = [];
  const server = http.createServer((request, response) => {
    void buffer(request).then((bytes) => {
      bodies.push(bytes.toString());
      answer(bytes.toString(), response);
    });
  });
  const port = await listen(server);
  return { url: `http://127.0.0.1:${port}/api/v1`, bodies, close: () => shut(server) };
}
