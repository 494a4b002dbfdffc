import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Agent, startAgent } from '../../src/kubermatic/agent.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { withFiles } from '../support/files.ts';
import { createJumpingClock } from '../support/jumping-clock.ts';
import { type KubeApiOptions, openServiceAccount, type ServiceAccount, startKubeApi } from '../support/kube-api.ts';
import { createKeptLog } from '../support/log.ts';
import { createManualClock } from '../support/manual-clock.ts';

const NOW = new Date('2026-11-21T00:26:49.000Z');

let account: ServiceAccount;
const closers: (() => Promise<void>)[] = [];

beforeEach(async () => {
  account = await openServiceAccount();
  closers.push(() => account.close());
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function start(recordDir: string, api: KubeApiOptions, clock: Clock): Promise<Agent> {
  const server = await startKubeApi(api);
  closers.push(() => server.close());
  const agent = await startAgent(
    {
      kind: 'kubernetes',
      recordDir,
      uuid: 'hmac',
      idSecret: 'spartakus-kubermatic',
      country: false,
      machineDeployments: false,
    },
    {
      clock,
      randomBytes,
      random: () => 0.5,
      logger: createKeptLog().logger,
      env: server.env,
      serviceAccountDir: account.dir,
    },
  );
  closers.push(() => agent.close());
  return agent;
}

async function readRecord(dir: string, agent: Agent): Promise<Record<string, unknown>> {
  const end = await agent.done;
  const file = end.status === 'written' ? end.file : '';
  return JSON.parse(await readFile(path.join(dir, file), 'utf8')) as Record<string, unknown>;
}

test('an API server that has just started costs no field of a record', async () => {
  await withFiles({}, async (dir) => {
    const agent = await start(dir, { starting: { times: 6, status: 403 } }, createJumpingClock(NOW));

    const record = await readRecord(dir, agent);

    expect(record['kubernetes_version']).toBeDefined();
    expect(record['nodes']).not.toHaveLength(0);
    expect(record).not.toHaveProperty('missing');
  });
});

test('a permission that stays missing is recorded', async () => {
  await withFiles({}, async (dir) => {
    const agent = await start(dir, { forbidden: ['/api/v1/nodes'] }, createJumpingClock(NOW));

    const record = await readRecord(dir, agent);

    expect(record['missing']).toStrictEqual([{ what: 'nodes[]', reason: 'not permitted' }]);
  });
});

test('stopped while it retries, an agent writes no record', async () => {
  await withFiles({}, async (dir) => {
    const clock = createManualClock(NOW);
    const agent = await start(dir, { forbidden: ['/api/v1/nodes'], readyz: 500 }, clock);
    await clock.pass(60_000, 1);

    await agent.close();

    await expect(agent.done).resolves.toMatchObject({ status: 'failed', error: { kind: 'unavailable' } });
    await expect(readdir(dir)).resolves.toStrictEqual([]);
  });
});
