import { readdir, rm } from 'node:fs/promises';
import { create, type JsonObject, toJson } from '@bufbuild/protobuf';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { kubernetesAgentCommand } from '../../src/cli/agent.ts';
import { explainCommand } from '../../src/cli/explain.ts';
import { grpcReporterCommand, httpReporterCommand, stdoutReporterCommand } from '../../src/cli/reporter.ts';
import { volunteerCommand } from '../../src/cli/volunteer.ts';
import { openRecordDir } from '../../src/kubermatic/record-dir.ts';
import { withFiles } from '../support/files.ts';
import { type KubeApi, openServiceAccount, type ServiceAccount, startKubeApi } from '../support/kube-api.ts';
import { runCommand } from '../support/run-command.ts';
import { type CapturedRequest, pathsIn, startWireCapture, type WireCapture } from '../support/wire-capture.ts';

// What `volunteer explain` and `volunteer --dry-run` say, compared with the bytes that a collector receives.

const KEY_SECRET = '/api/v1/namespaces/kubermatic/secrets/spartakus-volunteer';
const KEY = '0123456789abcdef'.repeat(4);

let api: KubeApi;
let account: ServiceAccount;
const NOT_FOUND = { status: 404, contentType: 'text/plain', body: '404 page not found' };
/** The Secrets of the cluster: the key of ids of an earlier run. */
let secrets: Map<string, unknown>;

beforeEach(async () => {
  secrets = new Map([[KEY_SECRET, { data: { 'id-key': Buffer.from(KEY).toString('base64') } }]]);
  // One read fails, so that a report has every field, "missing" as well.
  [api, account] = await Promise.all([
    startKubeApi({ responses: { '/api/v1/services?limit=500': NOT_FOUND }, secrets }),
    openServiceAccount(),
  ]);
});

afterEach(() => Promise.all([api.close(), account.close()]));

interface Explained {
  readonly fields: readonly { readonly path: string }[];
  readonly requests: readonly { readonly protocol: string; readonly headers: readonly { readonly name: string }[] }[];
}

/** The flags of the volunteer that collect everything, and a token. */
const everything = (dir: string) => [
  '--cluster-id=auto',
  `--extensions=${dir}/e.json`,
  `--token-file=${dir}/token`,
  '--collect=nodes,extensions,namespaces,workloads,lifetimes',
];
const REPORT_ID = '0199a000-0000-7000-8000-000000000000';
const CLIENT_UUID = '2f9c93d3-156c-47aa-8802-578ffca9b50e';
const FILES = { 'e.json': '{"example.com/hello":"world"}', token: 'a-token' };

const volunteer = (...args: string[]) =>
  runCommand(volunteerCommand, [`--service-account-dir=${account.dir}`, '--period=0', ...args], api.env);

async function explain(...args: string[]): Promise<Explained> {
  const { code, stdout } = await runCommand(explainCommand, ['--format=json', ...args], api.env);
  expect(code).toBe(0);
  return JSON.parse(stdout) as Explained;
}

async function capture(transport: 'grpc' | 'http', use: (capture: WireCapture) => Promise<void>): Promise<void> {
  const server = await startWireCapture(transport);
  try {
    await use(server);
  } finally {
    await server.close();
  }
}

const namesOf = ({ headers }: Explained['requests'][number]) => headers.map(({ name }) => name).toSorted();

const only = ({ requests }: WireCapture): CapturedRequest => {
  expect(requests).toHaveLength(1);
  return requests[0] as CapturedRequest;
};

describe.each(['grpc', 'http'] as const)('over %s', (transport) => {
  test('explain lists each field and each header that a collector receives, and no other', async () => {
    await withFiles(FILES, (dir) =>
      capture(transport, async (server) => {
        const flags = [...everything(dir), `--database=${server.database}`];

        await expect(volunteer(...flags)).resolves.toMatchObject({ code: 0 });
        const { fields, requests } = await explain(...flags);

        const { headers, body } = only(server);
        expect(requests.map(namesOf)).toStrictEqual([Object.keys(headers).toSorted()]);
        const listed = fields.map(({ path }) => path).filter((path) => !ABSENT.has(path));
        expect([...pathsIn(body)].toSorted()).toStrictEqual(listed.toSorted());
      }),
    );
  });

  test('--dry-run prints what a collector receives with the same flags, and connects to none', async () => {
    await withFiles(FILES, (dir) =>
      capture(transport, async (server) => {
        const flags = [...everything(dir), `--database=${server.database}`, `--spool-dir=${dir}/spool`];

        const dry = await volunteer('--dry-run', ...flags);
        expect(server.requests).toHaveLength(0);
        await volunteer(...flags);

        expect(dry.code).toBe(0);
        expect(dry.stderr).not.toMatch(NO_KEY);
        expect(changes()).toStrictEqual([]);
        expect(timeless(JSON.parse(dry.stdout) as JsonObject)).toStrictEqual(timeless(only(server).body));
      }),
    );
  });
});

/** No services could be listed, and not every cluster has each kind of workload. */
const ABSENT = new Set([
  'workloads.services[]',
  'workloads.services[].atLeast',
  'workloads.services[].namespaces',
  'lifetimes.servicesAtLeastHours',
]);

/** A report without the fields that differ in two reports of the same cluster: time, randomness, ages. */
function timeless(report: JsonObject): JsonObject {
  const { timestamp, reportID, observedAt, lifetimes, ...rest } = report;
  const kinds = Object.entries({ timestamp, reportID, observedAt, lifetimes }).map(([name, value]) => [
    name,
    typeof value,
  ]);
  return { ...rest, ...(Object.fromEntries(kinds) as JsonObject) };
}

test('with --agree 1 a collector receives the fields of the original and nothing else', async () => {
  await capture('http', async (server) => {
    const flags = ['--agree=1', '--cluster-id=c', `--database=${server.database}`];

    await volunteer(...flags);
    const dry = await volunteer('--dry-run', ...flags);
    const { fields } = await explain(...flags);

    const sent = ['clusterID', 'masterVersion', 'nodes', 'timestamp', 'version'];
    expect(Object.keys(only(server).body).toSorted()).toStrictEqual(sent);
    expect(Object.keys(JSON.parse(dry.stdout) as JsonObject).toSorted()).toStrictEqual(sent);
    expect([...new Set(fields.map(({ path }) => path.replace(/[[.].*/, '')))].toSorted()).toStrictEqual(sent);
  });
});

const NO_KEY = /No key of identifiers is kept yet, and --dry-run makes none/;
const changes = () => api.requests.filter(({ method }) => method !== 'GET');

test('without a key of ids, --dry-run makes none: it uses one for this run, and says so', async () => {
  secrets.clear();
  await withFiles({}, async (dir) => {
    const flags = ['--dry-run', '--cluster-id=auto', `--spool-dir=${dir}/spool`];

    const runs = [await volunteer(...flags), await volunteer(...flags)];

    expect(runs.map(({ code }) => code)).toStrictEqual([0, 0]);
    for (const { stderr } of runs) {
      expect(stderr).toMatch(NO_KEY);
      expect(stderr).toContain('There is no Secret kubermatic/spartakus-volunteer');
    }
    const ids = runs.map(({ stdout }) => (JSON.parse(stdout) as JsonObject)['clusterID']);
    expect(new Set(ids).size).toBe(2);
    expect([changes(), [...secrets], await readdir(dir)]).toStrictEqual([[], [], []]);
  });
});

test('--dry-run uses the key that an earlier run kept in --spool-dir, and the scope of --database', async () => {
  secrets.clear();
  await withFiles({ 'spool/id-key': KEY }, (dir) =>
    capture('grpc', async (server) => {
      // Without a namespace there is no Secret.
      await rm(`${account.dir}/namespace`);
      const flags = ['--cluster-id=auto', `--spool-dir=${dir}/spool`];

      const dry = await volunteer('--dry-run', ...flags, `--database=${server.database}`);
      const elsewhere = await volunteer('--dry-run', ...flags);
      await volunteer(...flags, `--database=${server.database}`);

      const ids = ({ clusterID, nodes }: JsonObject) => [clusterID, (nodes as JsonObject[]).map(({ id }) => id)];
      expect(dry.stderr).not.toMatch(NO_KEY);
      expect(ids(JSON.parse(dry.stdout) as JsonObject)).toStrictEqual(ids(only(server).body));
      expect(ids(JSON.parse(elsewhere.stdout) as JsonObject)).not.toStrictEqual(ids(only(server).body));
    }),
  );
});

test('--dry-run neither makes a spool nor needs a collector', async () => {
  await withFiles({ file: '' }, async (dir) => {
    const { code, stdout } = await volunteer(
      '--dry-run',
      `--cluster-id=${REPORT_ID}`,
      '--database=grpcs://collector.invalid',
      `--spool-dir=${dir}/file/spool`,
    );

    expect([code, (JSON.parse(stdout) as JsonObject)['clusterID']]).toStrictEqual([0, REPORT_ID]);
  });
});

test('what an earlier run left in the spool is sent only as far as it is selected now', async () => {
  await withFiles({}, (dir) =>
    capture('grpc', async (server) => {
      const flags = ['--cluster-id=c', `--spool-dir=${dir}/spool`];

      const failed = await volunteer(
        ...flags,
        '--collect=nodes,namespaces',
        '--database=grpc://127.0.0.1:9',
        '--timeout=2s',
      );
      await volunteer(...flags, '--omit=osImage', `--database=${server.database}`);

      expect(failed.code).toBe(1);
      expect(server.requests.map(({ body }) => body['namespaces'])).toStrictEqual([undefined, undefined]);
      expect(JSON.stringify(server.requests)).not.toContain('osImage');
    }),
  );
});

test.each(['grpc', 'http'] as const)(
  'explain --records lists each header that the reporter sends over %s',
  async (way) => {
    const body = { kind: 'kubermatic', version: 'v2', time: '2026-11-21T00:00:00Z', report_id: REPORT_ID, users: [] };
    await withFiles({ 'records/record-a.json': JSON.stringify(body), token: 'a-token' }, (dir) =>
      capture(way, async (server) => {
        const command = way === 'grpc' ? grpcReporterCommand : httpReporterCommand;
        const flags = [`--record-dir=${dir}/records`, `--client-uuid=${CLIENT_UUID}`, `--token-file=${dir}/token`];

        const { code } = await runCommand(command, [...flags, `--url=${server.database}`]);
        const { requests } = await explain('--records');

        const { headers, body: sent } = only(server);
        expect(code).toBe(0);
        const listed = requests.find(({ protocol }) => (protocol === 'gRPC') === (way === 'grpc'));
        expect(listed && namesOf(listed)).toStrictEqual(Object.keys(headers).toSorted());
        expect(Object.keys(sent).toSorted()).toStrictEqual(['client_uuid', 'records', 'time', 'version']);
      }),
    );
  },
);

test('agents write, and the reporter sends, only what --agree covers, whatever others wrote', async () => {
  await withFiles({}, async (dir) => {
    const records = openRecordDir(dir, { now: () => new Date() });
    const flags = [`--record-dir=${dir}`, '--agree=1'];

    const agent = await runCommand(kubernetesAgentCommand, [...flags, `--service-account-dir=${account.dir}`], api.env);
    const [written = ''] = await records.list();
    const foreign = create(RecordSchema, { kind: 'kubermatic', version: 'v2', kubermaticEdition: 'CE', users: [{}] });
    await records.write('record-z.json', JSON.stringify(toJson(RecordSchema, foreign, { useProtoFieldName: true })));
    const reporter = await runCommand(stdoutReporterCommand, [...flags, `--client-uuid=${CLIENT_UUID}`]);

    expect([agent.code, reporter.code]).toStrictEqual([0, 0]);
    expect(agent.stderr).toContain('\\"spartakus volunteer explain --records --diff 1\\" describes it');
    expect(await records.read(written)).not.toMatch(/report_?id|missing/i);
    const { records: sent } = JSON.parse(reporter.stdout) as { readonly records: readonly JsonObject[] };
    expect(sent.map((record) => Object.keys(record).toSorted())).toStrictEqual([
      ['kind', 'kubernetes_version', 'nodes', 'time', 'version'],
      ['kind', 'users', 'version'],
    ]);
  });
});
