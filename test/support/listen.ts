import type { Server } from 'node:http';
import type { Server as NetServer } from 'node:net';

/** Listens on a port of 127.0.0.1, by default a free one, and resolves with it. */
export async function listen(server: NetServer, wanted = 0): Promise<number> {
  await new Promise<void>((resolve) => {
    server.listen(wanted, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('The server does not listen on a port.');
  return address.port;
}

/** Closes a server with all its connections. */
export function shut(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
