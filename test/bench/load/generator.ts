import process from 'node:process';
import { createHttp1Connector } from './http1.ts';
import { createHttp2Connector } from './http2.ts';
import { drive, type LoadRequest } from './load.ts';

/**
 * The load generator, in a process of its own, so that its work is not counted as that of a server. The harness sends a request
 * (client.ts) and receives what was answered.
 */
process.on('message', (request: LoadRequest) => {
  void run(request);
});
process.on('disconnect', () => process.exit(0));

async function run(request: LoadRequest): Promise<void> {
  const connect = request.protocol === 'http1' ? createHttp1Connector(request) : createHttp2Connector(request);
  const connections = await Promise.all(Array.from({ length: request.connections }, connect));
  const result = await drive(connections, request);
  await Promise.all(connections.map((connection) => connection.close()));
  process.send?.(result);
}
