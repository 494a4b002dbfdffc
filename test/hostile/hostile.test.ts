import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Attacker, startAttackedCollector, startAttacker, submitDuring } from '../support/attacked-collector.ts';
import type { CollectorProgram } from '../support/collector-program.ts';
import { sendLegacy } from '../support/protocols.ts';
import { connectRaw } from '../support/raw-http2.ts';
import { makeReport } from '../support/reports.ts';
import { ATTACKS, SMUGGLED } from './attacks.ts';

let collector: CollectorProgram;
let attacker: Attacker;

beforeAll(async () => {
  attacker = startAttacker();
  collector = await startAttackedCollector();
});

afterAll(async () => {
  await attacker.close();
  await collector.stop();
});

// attacks.soak.test.ts attacks for longer and from more connections, and asserts the collector's memory and response times.
test.each(ATTACKS)('the collector stores the reports of other clients during and after: $name', async ({ name }) => {
  await submitDuring(collector.url, () => attacker.run({ name, port: collector.port, durationMs: 50, share: 0.2 }));

  await expect(sendLegacy(collector.url, makeReport())).resolves.toMatchObject({ status: 204 });
});

test.each(SMUGGLED)('a request that two servers would parse differently is rejected: %j', async (request) => {
  const connection = await connectRaw(collector.port);
  await connection.send(Buffer.from(request, 'latin1'));
  await connection.responded;

  expect(connection.received()).not.toMatch(/ 20\d /);
  connection.destroy();
});

test.each([
  [
    'HTTP/1.1',
    'POST /spartakus.collector.v1.CollectorService/SubmitReport HTTP/1.1\r\nHost: [::x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
  ],
  [
    'HTTP/1.0',
    'POST /spartakus.collector.v1.CollectorService/SubmitReport HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
  ],
])('an invalid Host is answered with 400, and the next request is accepted, over %s', async (_version, request) => {
  const connection = await connectRaw(collector.port);
  await connection.send(Buffer.from(request));

  await expect.poll(() => connection.received()).toMatch(/^HTTP\/1\.1 400 /);
  await expect(sendLegacy(collector.url, makeReport())).resolves.toMatchObject({ status: 204 });
});
