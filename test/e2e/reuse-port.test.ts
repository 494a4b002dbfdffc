import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CollectorProgram, launchCollector, startCollectorProgram } from '../support/collector-program.ts';
import { legacyJson } from '../support/protocols.ts';
import { makeReport } from '../support/reports.ts';

const FLAGS = ['--database=stdout', '--reuse-port'];
/** That all go to one of two collectors has a probability of one in 2^63. */
const CONNECTIONS = 64;

let first: CollectorProgram;
let second: CollectorProgram;

beforeAll(async () => {
  first = await startCollectorProgram(FLAGS);
  second = await startCollectorProgram([...FLAGS, `--port=${first.port}`]);
});

afterAll(() => Promise.all([first?.stop(), second?.stop()]));

test('two collectors share the connections of one port, and each report is stored by one of them', async () => {
  const reports = Array.from({ length: CONNECTIONS }, () => makeReport());
  for (const report of reports) {
    const headers = { 'content-type': 'application/json', connection: 'close' };
    const response = await fetch(`${first.url}/api/v1`, { method: 'POST', headers, body: legacyJson(report) });
    expect(response.status).toBe(204);
  }
  const outputs = (await Promise.all([first.stop(), second.stop()])).map(({ stdout }) =>
    [...stdout.matchAll(/"clusterID":"([^"]+)"/g)].map(([, clusterId]) => clusterId),
  );

  expect(outputs.map(({ length }) => length > 0)).toStrictEqual([true, true]);
  expect(outputs.flat()).toHaveLength(CONNECTIONS);
  expect(new Set(outputs.flat())).toStrictEqual(new Set(reports.map(({ clusterId }) => clusterId)));
});

test('a collector that does not share its port cannot open one that is in use', async () => {
  const sharing = await startCollectorProgram(FLAGS);
  const { code, stderr } = await launchCollector(['--database=stdout', `--port=${sharing.port}`]).ended;
  await sharing.stop();

  expect(code).toBe(1);
  expect(stderr).toContain(`--port ${sharing.port} cannot be opened`);
});
