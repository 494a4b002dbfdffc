import { randomBytes } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { doctorCommand } from '../../src/cli/doctor.ts';
import { startCollector } from '../../src/collector/collector.ts';
import { NO_CREDENTIALS } from '../../src/delivery/client-credentials.ts';
import { parseDatabase } from '../../src/delivery/open-sink.ts';
import { createNetworks } from '../../src/runtime/addresses.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { checkCollector } from '../../src/volunteer/doctor/check-collector.ts';
import { startVolunteer } from '../../src/volunteer/volunteer.ts';
import { withFiles } from '../support/files.ts';
import { startGrpcCollector } from '../support/grpc-collector.ts';
import {
  type KubeApi,
  type KubeApiOptions,
  openServiceAccount,
  readFixture,
  type ServiceAccount,
  startKubeApi,
} from '../support/kube-api.ts';
import { createKeptLog } from '../support/log.ts';
import { runProgram } from '../support/program.ts';
import { runCommand } from '../support/run-command.ts';
import { TEST_LIMITS } from '../support/test-limits.ts';

const closers: (() => unknown)[] = [];
let account: ServiceAccount;

beforeEach(async () => {
  account = await openServiceAccount();
  closers.push(() => account.close());
});

afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function startApi(options: KubeApiOptions = {}): Promise<KubeApi> {
  const api = await startKubeApi(options);
  closers.push(() => api.close());
  return api;
}

/** A collector that stores nothing, as host:port. */
async function startHealthy(): Promise<string> {
  const say = () => undefined;
  const collector = await startCollector(
    {
      port: 0,
      host: '127.0.0.1',
      database: { kind: 'stdout' },
      storeTimeoutMs: 1000,
      shutdownGraceMs: 100,
      limits: TEST_LIMITS,
      recordPeer: 'none',
      trustedProxies: createNetworks([]),
      keepCountry: false,
    },
    {
      clock: systemClock,
      randomBytes,
      logger: { debug: say, info: say, warn: say, error: say },
      stdout: new PassThrough(),
      version: 'v9.9.9',
    },
  );
  closers.push(() => collector.close());
  return `127.0.0.1:${collector.port}`;
}

async function doctor(api: KubeApi, ...args: string[]) {
  const { code, stdout } = await runCommand(doctorCommand, [`--service-account-dir=${account.dir}`, ...args], api.env);
  return { code, lines: stdout.trimEnd().split('\n') };
}

const WORKLOADS = ['pods', 'services', 'deployments', 'statefulsets', 'daemonsets', 'jobs'];

test.each(['grpc', 'http'])('when all checks succeed, each line is ok, and the exit code is 0: %s', async (scheme) => {
  const host = await startHealthy();
  await withFiles({ 'e.json': '{"a":"1"}', key: 'sixteen bytes or more' }, async (dir) => {
    const { code, lines } = await doctor(
      await startApi(),
      `--database=${scheme}://${host}`,
      `--spool-dir=${dir}/spool`,
      `--extensions=${dir}/e.json`,
      '--collect=nodes,extensions,workloads',
    );

    expect(lines.map((line) => line.split(': ', 1)[0])).toStrictEqual([
      'ok    spool',
      'ok    extensions',
      'ok    Kubernetes API',
      'ok    get /version',
      'ok    list nodes',
      // Over HTTP, workloads are not sent, so they are not read.
      ...(scheme === 'http' ? [] : WORKLOADS.map((kind) => `ok    list ${kind}`)),
      'ok    id key',
      'ok    proxy',
      'ok    DNS',
      'ok    collector',
      'ok    reports',
      'ok    delivery',
    ]);
    expect(code).toBe(0);
  });
});

test('only the rights that the flags need are checked, with one object each', async () => {
  const api = await startApi();

  await doctor(api, '--collect=namespaces', '--omit=masterVersion');

  expect(api.requests.map(({ target }) => target)).toStrictEqual(['/api/v1/namespaces?limit=1']);
});

test('a missing right is a warning that names the rule to grant, because the report is sent without it', async () => {
  const { code, lines } = await doctor(await startApi({ forbidden: ['/api/v1/pods'] }), '--collect=nodes,workloads');

  expect(lines.filter((line) => !line.startsWith('ok'))).toStrictEqual([
    expect.stringMatching(
      /^warn {2}list pods: .*Grant the rule \{apiGroups: \[""\], resources: \[pods\], verbs: \[list\]\}.*"not permitted"/,
    ),
  ]);
  expect(code).toBe(0);
});

test('the place of the key of identifiers is checked, and no key is created', async () => {
  const own = '/api/v1/namespaces/kubermatic/secrets';
  const lineOf = async (api: KubeApiOptions, ...args: string[]): Promise<string | undefined> =>
    (await doctor(await startApi(api), ...args)).lines.findLast((line) => line.includes('id key'));
  const secrets = new Map<string, unknown>();

  await withFiles({}, async (dir) => {
    await expect(lineOf({ secrets })).resolves.toBe(
      'ok    id key: the first report creates the Secret kubermatic/spartakus-volunteer',
    );
    expect(secrets.size).toBe(0);
    secrets.set(`${own}/spartakus-volunteer`, { data: { 'id-key': Buffer.alloc(32).toString('base64') } });
    await expect(lineOf({ secrets })).resolves.toBe('ok    id key: the Secret kubermatic/spartakus-volunteer holds it');
    const empty = { metadata: { resourceVersion: '1' }, type: 'Opaque' };
    secrets.set(`${own}/spartakus-volunteer`, empty);
    await expect(lineOf({ secrets, forbidCreation: true })).resolves.toBe(
      'ok    id key: the first report writes it to the Secret kubermatic/spartakus-volunteer',
    );
    expect(secrets.get(`${own}/spartakus-volunteer`)).toBe(empty);
    await expect(lineOf({ secrets, forbidUpdate: true })).resolves.toMatch(
      /^warn {2}id key: .* a key of this run only/,
    );
    secrets.set(`${own}/spartakus-volunteer`, { data: {} });
    await expect(lineOf({ secrets })).resolves.toMatch(/^FAIL {2}id key: .* holds no key/);
    await expect(lineOf({ forbidCreation: true })).resolves.toMatch(/^warn {2}id key: .* a key of this run only/);
    await expect(lineOf({ forbidden: [`${own}/spartakus-volunteer`] }, `--spool-dir=${dir}`)).resolves.toBe(
      `ok    id key: the first report creates ${dir}/id-key`,
    );
    await expect(lineOf({}, '--id-key=kube-system')).resolves.toMatch(
      /^warn {2}id key: .*k8s\.cluster\.uid.*anyone can compute/,
    );
    await expect(lineOf({}, '--node-id=md5')).resolves.toBeUndefined();
  });
});

test('with --id-key=kube-system, an unreadable uid is a failure, because there is no report without it', async () => {
  const { code, lines } = await doctor(
    await startApi({ forbidden: ['/api/v1/namespaces/kube-system'] }),
    '--id-key=kube-system',
  );

  expect(lines).toContainEqual(expect.stringMatching(/^FAIL {2}get namespaces kube-system: .*Grant the rule/));
  expect(code).toBe(1);
});

test('a cluster without any readable field is a failure', async () => {
  const { code, lines } = await doctor(
    await startApi({ forbidden: ['/version', '/api/v1/namespaces'] }),
    '--collect=namespaces',
  );

  expect(lines).toContainEqual(expect.stringMatching(/^FAIL {2}Kubernetes rights: /));
  expect(code).toBe(1);
});

test('a rejected token, an API that does not respond, and a missing kubeconfig are failures', async () => {
  const rejected = await doctor(await startApi({ token: 'another' }));
  const api = await startApi();
  await api.close();
  const away = await doctor(api);
  const unreadable = await doctor(api, '--kubeconfig=/nonexistent');

  expect([rejected.code, away.code, unreadable.code]).toStrictEqual([1, 1, 1]);
  expect(rejected.lines).toContainEqual(
    expect.stringMatching(/^FAIL {2}Kubernetes API: .*401 Unauthorized.*not expired/),
  );
  expect(away.lines).toContainEqual(expect.stringMatching(/^FAIL {2}Kubernetes API: .*ECONNREFUSED/));
  expect(unreadable.lines).toContainEqual(
    expect.stringMatching(/^FAIL {2}Kubernetes API: --kubeconfig \/nonexistent: cannot be read/),
  );
});

test.each([
  ['grpc://127.0.0.1:1', /^FAIL {2}collector: .*grpc:\/\/127\.0\.0\.1:1 .*ECONNREFUSED\): check that it is running/],
  [
    'http://127.0.0.1:1',
    /^FAIL {2}collector: .*http:\/\/127\.0\.0\.1:1\/healthz .*ECONNREFUSED\): check that it is running/,
  ],
  ['grpcs://127.0.0.1:1', /^FAIL {2}TLS: .*127\.0\.0\.1:1 .*ECONNREFUSED\): check that it is running/],
  ['grpc://collector.invalid', /^FAIL {2}DNS: collector\.invalid has no address/],
])('a collector at %s that cannot be reached is a failure of the step that fails', async (database, line) => {
  const { code, lines } = await doctor(await startApi(), `--database=${database}`);

  expect(lines.at(-1)).toMatch(line);
  expect(code).toBe(1);
});

test('a collector with a certificate of an unknown CA is a failure of TLS', async () => {
  const api = await startApi();

  const { code, lines } = await doctor(api, `--database=${api.url}`);

  expect(lines.at(-1)).toMatch(
    /^FAIL {2}TLS: .*certificate is not signed by a CA that Node.js knows .*give its CA with --ca-file/,
  );
  expect(code).toBe(1);
});

test('TLS to a port without it, and no TLS to a port with it, are failures that name the scheme to write', async () => {
  const [api, host] = [await startApi(), await startHealthy()];
  const withTls = new URL(api.url).host;

  const lines = [`grpcs://${host}`, `https://${host}`, `grpc://${withTls}`, `http://${withTls}`].map(async (database) =>
    (await doctor(api, `--database=${database}`)).lines.at(-1),
  );

  await expect(Promise.all(lines)).resolves.toStrictEqual([
    expect.stringMatching(/^FAIL {2}TLS: .* its port does not speak TLS .*grpc:\/\//),
    expect.stringMatching(/^FAIL {2}TLS: .* its port does not speak TLS .*http:\/\//),
    expect.stringMatching(/^FAIL {2}collector: .*grpcs:\/\//),
    expect.stringMatching(/^FAIL {2}collector: .*https:\/\//),
  ]);
});

test('the certificate of a collector is verified with the given CAs', async () => {
  const server = ServerCredentials.createSsl(null, [
    { cert_chain: await readFixture('tls/server.crt'), private_key: await readFixture('tls/server.key') },
  ]);
  const collector = await startGrpcCollector(server);
  closers.push(() => collector.close());
  const check = async (ca: string) => {
    const found: string[] = [];
    for await (const { status, name } of checkCollector(parseDatabase(`grpcs://127.0.0.1:${collector.port}`), {
      env: {},
      credentials: { ...NO_CREDENTIALS, ca: await readFixture(ca) },
    })) {
      found.push(`${status} ${name}`);
    }
    return found;
  };

  await expect(check('tls/ca.crt')).resolves.toStrictEqual([
    'ok proxy',
    'ok DNS',
    'ok TLS',
    'warn collector',
    'warn reports',
  ]);
  await expect(check('tls/other-ca.crt')).resolves.toStrictEqual(['ok proxy', 'ok DNS', 'FAIL TLS']);
});

test('a collector without a health service is a warning', async () => {
  const collector = await startGrpcCollector();
  closers.push(() => collector.close());

  const { code, lines } = await doctor(await startApi(), `--database=grpc://127.0.0.1:${collector.port}`);

  expect(lines.slice(-2)).toStrictEqual([
    expect.stringMatching(/^warn {2}collector: .*has no health service/),
    expect.stringMatching(/^warn {2}reports: not checked: .*has no method SubmitReport/),
  ]);
  expect(code).toBe(0);
});

test('another HTTP server than a collector is a failure', async () => {
  const host = await startHealthy();

  const { lines } = await doctor(await startApi(), `--database=http://${host}/elsewhere`);

  expect(lines.at(-1)).toMatch(/^FAIL {2}collector: http:\/\/.*\/elsewhere\/healthz responds with 404/);
});

test('the proxy is shown without its password, and DNS resolves its name', async () => {
  const api = await startApi();
  const env = { ...api.env, https_proxy: 'http://user:hunter2@proxy.invalid:3128' };

  const { stdout } = await runCommand(
    doctorCommand,
    [`--service-account-dir=${account.dir}`, '--database=grpc://collector.example.com'],
    env,
  );

  expect(stdout).toContain('ok    proxy: http://proxy.invalid:3128, from $https_proxy\n');
  expect(stdout).toContain('FAIL  DNS: proxy.invalid has no address');
  expect(stdout).not.toContain('hunter2');
});

test('a collector on another machine without TLS is a warning', async () => {
  const [plain, encrypted] = [
    await doctor(await startApi(), '--database=grpc://collector.invalid'),
    await doctor(await startApi(), '--database=grpcs://collector.invalid'),
  ];

  expect(plain.lines).toContainEqual(expect.stringMatching(/^warn {2}TLS: .* without encryption: use grpcs:/));
  expect(encrypted.lines.filter((line) => line.includes('without encryption'))).toStrictEqual([]);
});

test('invalid files are reported in lines of their own', async () => {
  await withFiles({ 'bad/e.json': 'not JSON', file: '', key: 'short' }, async (dir) => {
    const api = await startApi();
    const bad = await doctor(
      api,
      `--extensions=${dir}/bad/e.json`,
      `--id-key-file=${dir}/key`,
      `--spool-dir=${dir}/file/spool`,
    );
    const half = await doctor(api, `--extensions=${dir}/bad`, `--spool-dir=${dir}/spool`);

    expect(bad.lines.slice(0, 3)).toStrictEqual([
      expect.stringMatching(/^warn {2}spool: --spool-dir .*Reports wait in memory/),
      expect.stringMatching(/^FAIL {2}id key: .*5 bytes/),
      expect.stringMatching(/^FAIL {2}extensions: .*is not JSON/),
    ]);
    expect(half.lines.slice(0, 3)).toStrictEqual([
      `ok    spool: ${dir}/spool can be written`,
      expect.stringMatching(/^ok {4}extensions: .* holds 0/),
      expect.stringMatching(/^warn {2}extensions: .*is not JSON/),
    ]);
    expect([bad.code, half.code]).toStrictEqual([1, 0]);
  });
});

test('in the pod of a volunteer, with its environment alone, it says that the last report was stored', async () => {
  const [api, host] = [await startApi(), await startHealthy()];
  await withFiles({}, async (dir) => {
    const spoolDir = `${dir}/spool`;
    const volunteer = await startVolunteer(
      { clusterId: 'auto', periodMs: 86_400_000, database: parseDatabase(`grpc://${host}`), spoolDir, healthPort: 0 },
      {
        version: 'v9.9.9',
        clock: systemClock,
        randomBytes,
        logger: createKeptLog().logger,
        stdout: new PassThrough(),
        env: api.env,
        serviceAccountDir: account.dir,
      },
    );
    closers.push(() => volunteer.close());
    const env = {
      ...api.env,
      SPARTAKUS_SERVICE_ACCOUNT_DIR: account.dir,
      SPARTAKUS_DATABASE: `grpc://${host}`,
      SPARTAKUS_SPOOL_DIR: spoolDir,
      SPARTAKUS_HEALTH_PORT: String(volunteer.healthPort),
    };
    const lastLine = async () => (await runCommand(doctorCommand, [], env)).stdout.trimEnd().split('\n').at(-1);

    await expect
      .poll(lastLine)
      .toMatch(/^ok {4}delivery: the last report was stored at \d{4}-\d\d-\d\dT[\d:.]+Z; none waits$/);
  });
});

test('as a program: volunteer doctor is a command, and invalid flags exit with 2', async () => {
  const api = await startApi();

  const [right, wrong] = await Promise.all([
    runProgram(['volunteer', 'doctor', `--service-account-dir=${account.dir}`], { ...api.env }),
    runProgram(['volunteer', 'doctor', '--collect=pods']),
  ]);

  expect([right.code, wrong.code]).toStrictEqual([0, 2]);
  expect(right.stdout).toContain('ok    database: stdout');
});
