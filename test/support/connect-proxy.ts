import http from 'node:http';
import net from 'node:net';
import type { Socket } from 'node:net';
import { listen } from './listen.ts';

/** A proxy on 127.0.0.1 for CONNECT and plain requests, that connects every name to one local port. */
export interface ConnectProxy {
  readonly url: string;
  readonly port: number;
  /** The requests, such as "CONNECT collector.example.com:443". */
  readonly asked: readonly string[];
  /** The Proxy-Authorization of each request. */
  readonly authorizations: readonly (string | undefined)[];
  close(): void;
}

export async function startConnectProxy(targetPort: number): Promise<ConnectProxy> {
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  const sockets = new Set<Socket>();
  const server = http.createServer((request, response) => {
    asked.push(`${request.method ?? ''} ${request.url ?? ''}`);
    authorizations.push(request.headers['proxy-authorization']);
    const { pathname } = new URL(request.url ?? '');
    const onward = http.request(
      { port: targetPort, host: '127.0.0.1', method: request.method, path: pathname, headers: request.headers },
      (answer) => {
        response.writeHead(answer.statusCode ?? 500);
        answer.pipe(response);
      },
    );
    request.pipe(onward);
  });
  server.on('connection', (socket) => sockets.add(socket));
  server.on('connect', (request, client: Socket, head: Buffer) => {
    asked.push(`CONNECT ${request.url ?? ''}`);
    authorizations.push(request.headers['proxy-authorization']);
    const upstream = net.connect(targetPort, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      upstream.write(head);
      client.pipe(upstream).pipe(client);
    });
    sockets.add(upstream);
    for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    asked,
    authorizations,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
