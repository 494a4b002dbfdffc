import path from 'node:path';
import { fromJsonString } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ReportSchema } from '../../gen/spartakus/report/v1/report_pb.js';
import { volunteerCommand } from '../../src/cli/volunteer.ts';
import { withFiles } from '../support/files.ts';
import { type KubeApi, openServiceAccount, type ServiceAccount, startKubeApi } from '../support/kube-api.ts';
import { runCommand } from '../support/run-command.ts';

let api: KubeApi;
let account: ServiceAccount;

beforeEach(async () => {
  [api, account] = await Promise.all([startKubeApi(), openServiceAccount()]);
});

afterEach(async () => {
  await Promise.all([api.close(), account.close()]);
});

const run = (...args: string[]) =>
  runCommand(
    volunteerCommand,
    ['--cluster-id=c', '--period=0', `--service-account-dir=${account.dir}`, ...args],
    api.env,
  );

/** The report that is printed. */
async function printed(...args: string[]) {
  const { code, stdout } = await run(...args);
  expect(code).toBe(0);
  return fromJsonString(ReportSchema, stdout);
}

/** The usage errors, without the line that names --help. */
async function errors(...args: string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await run(...args);
  expect([code, stdout]).toStrictEqual([2, '']);
  expect(api.requests).toStrictEqual([]);
  return stderr.split('\n').filter((line) => line.startsWith('spartakus volunteer: '));
}

test('by default, nodes are collected and nothing that needs another right', async () => {
  const report = await printed();

  expect(report.nodes).toHaveLength(6);
  expect([report.namespaces, report.workloads, report.lifetimes]).toStrictEqual([undefined, undefined, undefined]);
});

test('--collect and --omit select what is printed', async () => {
  const report = await printed('--collect=nodes,namespaces', '--omit=osImage,capacity.memory,masterVersion');

  expect([report.namespaces, report.masterVersion]).toStrictEqual([16, undefined]);
  expect(report.nodes.map(({ osImage }) => osImage)).toStrictEqual(Array(6).fill(undefined));
  expect(JSON.stringify(report.nodes)).not.toContain('memory');
});

test('with --schema-version 1 only fields of the original Spartakus are collected', async () => {
  const report = await printed('--collect=nodes,workloads', '--schema-version=1');

  expect([report.nodes.length, report.workloads]).toStrictEqual([6, undefined]);
});

test('--cluster-id auto prints the same UUID each time', async () => {
  const [first, second] = [await printed('--cluster-id=auto'), await printed('--cluster-id=auto')];

  expect(first.clusterId).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  expect(second.clusterId).toBe(first.clusterId);
});

test('all invalid flags are reported at once, and no request is made', async () => {
  await withFiles({ short: 'fifteen bytes..' }, async (dir) => {
    const key = path.join(dir, 'short');
    const wrong = [
      '--collect=nodes,pods',
      '--omit=clusterID',
      '--schema-version=99',
      '--node-id=sha1',
      `--id-key-file=${key}`,
    ];

    await expect(errors(...wrong)).resolves.toStrictEqual([
      'spartakus volunteer: --collect "pods" is not a field that can be collected: use nodes, extensions, namespaces, workloads, lifetimes',
      'spartakus volunteer: --omit "clusterID" cannot be omitted: a report without clusterID has no meaning',
      'spartakus volunteer: --schema-version "99" is not a schema version of this release: use 1 to 2',
      'spartakus volunteer: --node-id "sha1" is none of hmac, md5',
      `spartakus volunteer: --id-key-file ${key}: is a key of 15 bytes, and fewer than 16 can be guessed: make one with "openssl rand -hex 32".`,
    ]);
  });
});

test('an unknown path of --omit is an error with the path that it may mean', async () => {
  await expect(errors('--omit=osimage')).resolves.toStrictEqual([
    'spartakus volunteer: --omit "osimage" is not a field of a report: did you mean nodes[].osImage?',
  ]);
});

test('--collect extensions without --extensions, and --extensions that --collect does not name, are errors', async () => {
  await withFiles({ e: '{}' }, async (dir) => {
    await expect(errors('--collect=extensions')).resolves.toStrictEqual([
      'spartakus volunteer: --collect extensions needs --extensions PATH',
    ]);
    await expect(errors('--collect=nodes', `--extensions=${dir}`)).resolves.toStrictEqual([
      expect.stringContaining('--collect does not name extensions'),
    ]);
  });
});

test('schema version 1 cannot be sent over gRPC, which requires the newer reportID', async () => {
  await expect(errors('--schema-version=1', '--database=grpc://collector')).resolves.toStrictEqual([
    expect.stringContaining('--schema-version 1 has no reportID'),
  ]);
});

test('a missing key file is an error', async () => {
  await expect(errors('--id-key-file=/nonexistent')).resolves.toStrictEqual([
    expect.stringContaining('--id-key-file /nonexistent: cannot be read: ENOENT'),
  ]);
});

test('a volunteer that cannot start prints one line without usage, and exits with 1', async () => {
  const { port } = new URL(api.url);

  const { code, stderr } = await run(`--health-port=${port}`);

  expect(code).toBe(1);
  expect(stderr).toMatch(/^spartakus volunteer: [^\n]*EADDRINUSE[^\n]*\n$/);
});
