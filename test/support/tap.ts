import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

/** A proxy for a MongoDB server that records what clients send. */
export interface Tap {
  /** The URI of the server through the proxy, with this query. */
  uri(query: string): string;
  /** Everything that clients have sent so far. */
  sent(): Buffer;
  close(): Promise<void>;
}

/**
 * Forwards connections to the server of an address, and keeps what clients send.
 *
 * @param serverUri names a Unix socket or a host, without TLS
 */
export async function openTap(serverUri: string): Promise<Tap> {
  const host = decodeURIComponent(/^mongodb:\/\/(?:[^@/]*@)?([^,/?]+)/.exec(serverUri)?.[1] ?? '');
  const [name = '', port = '27017'] = host.split(':');
  const chunks: Buffer[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((client) => {
    const upstream = host.endsWith('.sock') ? net.connect(host) : net.connect(Number(port), name);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
    }
    client.on('data', (chunk: Buffer) => chunks.push(chunk));
    client.pipe(upstream).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    uri: (query) => `mongodb://127.0.0.1:${(server.address() as AddressInfo).port}/?directConnection=true&${query}`,
    sent: () => Buffer.concat(chunks),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
