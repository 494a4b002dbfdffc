import http from 'node:http';
import { listen } from '../../support/listen.ts';

/** A baseline: Node.js' own HTTP/1.1 server, JSON.parse, and 204; without limits, checks or a store. */
const server = http.createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    JSON.parse(Buffer.concat(chunks).toString());
    response.writeHead(204).end();
  });
});
process.stdout.write(`${await listen(server)}\n`);
