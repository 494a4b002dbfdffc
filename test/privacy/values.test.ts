import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { create } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { NodeListSchema } from '../../gen/spartakus/kubernetes/v1/kubernetes_pb.js';
import { parseDatabase } from '../../src/delivery/open-sink.ts';
import { startAgent } from '../../src/kubermatic/agent.ts';
import { PROTOBUF_TYPE } from '../../src/kubernetes/response.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import type { VolunteerConfig } from '../../src/volunteer/run.ts';
import { startVolunteer } from '../../src/volunteer/volunteer.ts';
import { type KubeApi, openServiceAccount, type ServiceAccount, startKubeApi, wrap } from '../support/kube-api.ts';
import { createKeptLog, type KeptLog } from '../support/log.ts';

/** Values with which nodes and a control plane described their owners. */
const NODE_INFO = {
  osImage: 'Acme Linux host db-01.payments.acme.example, owner jane.doe@acme.example, serial C02XK1',
  kernelVersion: '6.1.0-jdoe@ci17.acme.example',
  operatingSystem: 'linux password=hunter2',
  architecture: 'amd64-jdoe',
  kubeletVersion: 'v1.31.4-acmebank-prod-frankfurt+jdoe',
  containerRuntimeVersion: 'containerd://1.7.24-acmebank.3',
  machineId: 'C02XK1',
};
const CAPACITY = {
  cpu: { string: '4' },
  memory: { string: '15437428Ki' },
  'customer-77.example.com/gpu': { string: '2' },
  'smarter-devices/john.doe': { string: '1' },
};
const VERSION = { gitVersion: 'v1.31.4-acmebank-prod-frankfurt+jdoe' };
/** Their identifying parts. */
const IDENTIFYING =
  /acme|db-01|payments|jane|john|doe(?!s)|c02xk1|ci17|hunter2|password|customer|smarter-devices\/john|frankfurt|prod|owner|15437428/i;

const closers: (() => unknown)[] = [];
let api: KubeApi;
let account: ServiceAccount;
let log: KeptLog;
let dir: string;

beforeEach(async () => {
  const items = ['db-01.payments.acme.example', 'db-02.payments.acme.example'].map((name) => ({
    metadata: { name },
    spec: { providerId: 'acme://jane.doe/db-01' },
    status: { nodeInfo: NODE_INFO, capacity: CAPACITY },
  }));
  const nodes = wrap(NodeListSchema, create(NodeListSchema, { items }));
  api = await startKubeApi({
    responses: {
      '/version': { status: 200, contentType: 'application/json', body: JSON.stringify(VERSION) },
      '/api/v1/nodes?limit=100': { status: 200, contentType: PROTOBUF_TYPE, body: nodes },
    },
  });
  account = await openServiceAccount();
  dir = await mkdtemp(path.join(tmpdir(), 'spartakus-values-'));
  log = createKeptLog();
  closers.push(
    () => rm(dir, { recursive: true }),
    () => account.close(),
    () => api.close(),
  );
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

const options = () => ({
  clock: systemClock,
  randomBytes: (length: number) => new Uint8Array(length).fill(7),
  logger: log.logger,
  env: api.env,
  serviceAccountDir: account.dir,
});

async function start(config: Partial<VolunteerConfig>, stdout = new PassThrough()) {
  const volunteer = await startVolunteer(
    { clusterId: 'c', nodeId: 'md5', periodMs: 0, database: parseDatabase('stdout'), ...config },
    { ...options(), stdout, version: 'v2.0.0', graceMs: 0 },
  );
  closers.push(() => volunteer.close());
  return volunteer;
}

/** The names and contents of all files below the directory. */
async function readAll(): Promise<string> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const contents = files.map(
    async ({ parentPath, name }) => name + (await readFile(path.join(parentPath, name), 'latin1')),
  );
  return (await Promise.all(contents)).join('\n');
}

test('volunteer --period 0 prints no identifying part of a value', async () => {
  const stdout = new PassThrough();

  const { done } = await start({}, stdout);

  await expect(done).resolves.toStrictEqual({ status: 'stored' });
  const printed = String(stdout.read());
  expect(printed).not.toMatch(IDENTIFYING);
  const { masterVersion, nodes } = JSON.parse(printed) as { masterVersion: string; nodes: Record<string, unknown>[] };
  expect(masterVersion).toBe('v1.31.4+custom');
  expect(nodes).toHaveLength(2);
  expect(nodes[0]).toStrictEqual({
    id: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
    operatingSystem: 'other',
    osImage: 'other',
    kernelVersion: '6.1.0+custom',
    architecture: 'other',
    containerRuntimeVersion: 'containerd://1.7.24+custom',
    kubeletVersion: 'v1.31.4+custom',
    cloudProvider: 'unknown',
    capacity: [
      { resource: 'cpu', value: '4' },
      { resource: 'memory', value: '15000000Ki' },
      { resource: 'other', value: '1' },
      { resource: 'smarter-devices/other', value: '1' },
    ],
  });
});

test('no identifying part of a value or file name is in the spool, the metrics or the log of a volunteer', async () => {
  const extensions = await mkdtemp(path.join(tmpdir(), 'spartakus-extensions-'));
  closers.push(() => rm(extensions, { recursive: true }));
  await writeFile(path.join(extensions, 'jane.doe-acme.json'), '{"example.com/hello":"world"}');
  const { healthPort } = await start({
    periodMs: 86_400_000,
    database: parseDatabase('grpc://127.0.0.1:1'),
    spoolDir: dir,
    extensions,
    healthPort: 0,
  });
  await vi.waitFor(
    async () => {
      const spooled = await readAll();
      expect(spooled).toContain('v1.31.4+custom');
      // Such a file is renamed once it is complete.
      expect(spooled).not.toContain('.unfinished');
    },
    { interval: 10, timeout: 10_000 },
  );

  const metrics = await (await fetch(`http://127.0.0.1:${healthPort}/metrics`)).text();

  expect(await readAll()).toContain('example.com/hello');
  expect(metrics).toContain('spartakus');
  expect(metrics).not.toMatch(IDENTIFYING);
  expect(await readAll()).not.toMatch(IDENTIFYING);
  expect(JSON.stringify(log.lines)).not.toMatch(IDENTIFYING);
});

test('the record file of agent kubernetes contains no identifying part of a value', async () => {
  const { done } = await startAgent(
    { kind: 'kubernetes', machineDeployments: false, country: false, uuid: 'md5', recordDir: dir },
    options(),
  );

  await expect(done).resolves.toMatchObject({ status: 'written' });
  const record = await readAll();
  expect(record).toContain('v1.31.4+custom');
  expect(record).not.toMatch(IDENTIFYING);
  expect(JSON.stringify(log.lines)).not.toMatch(IDENTIFYING);
});
