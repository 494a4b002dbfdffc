import { expect, test } from 'vitest';
import { explainCommand } from '../../src/cli/explain.ts';
import { listFields } from '../../src/report/schema-fields.ts';
import { withFiles } from '../support/files.ts';
import { runProgram } from '../support/program.ts';
import { runCommand } from '../support/run-command.ts';

/** The page that is printed. */
async function explain(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(explainCommand, args);
  expect([code, stderr]).toStrictEqual([0, '']);
  return stdout;
}

/** The fields that the page lists. */
const fieldsOf = (page: string) => [...page.matchAll(/^\| `([^`]+)` +\|/gm)].map(([, path]) => path);

/** The rules of the role that the page shows, in short. */
const rulesOf = (page: string) =>
  [
    ...page.matchAll(
      /(?:nonResourceURLs|resources): \["([^"]+)"\]\n(?: {4}resourceNames: \["([^"]+)"\]\n)? {4}verbs: \["(\w+)"\]/g,
    ),
  ].map(([, what, name, verb]) => [verb, what, ...(name === undefined ? [] : [name])].join(' '));

test('the complaint "not knowing what is sent": without flags, the page lists what the volunteer sends without flags, and the smallest role for it', async () => {
  const page = await explain();

  expect(fieldsOf(page)).toStrictEqual(
    listFields()
      .map(({ path }) => path)
      .filter((path) => !/^(extensions|namespaces|workloads|lifetimes)\b/.test(path)),
  );
  expect(rulesOf(page)).toStrictEqual(['get /version', 'list nodes', 'get namespaces kube-system']);
  expect(page.replaceAll('\n', ' ')).toContain(
    'cannot read secrets, config maps, events, logs, users, namespaces other than kube-system, pods, services, deployments, statefulsets, daemonsets, jobs,',
  );
});

test('--collect and --omit change fields and rights', async () => {
  const page = await explain(
    '--collect=workloads,lifetimes',
    '--omit=masterVersion,workloads.jobs,lifetimes.servicesSeconds',
  );

  expect(fieldsOf(page)).toEqual(
    expect.arrayContaining(['workloads.pods[].atLeast', 'lifetimes.podsSeconds', 'missing[].reason']),
  );
  expect(fieldsOf(page).filter((path) => /nodes|masterVersion|jobs|servicesSeconds/.test(path ?? ''))).toStrictEqual(
    [],
  );
  expect(rulesOf(page)).toStrictEqual([
    'list pods',
    'list services',
    'list deployments',
    'list statefulsets',
    'list daemonsets',
    'list namespaces',
  ]);
});

test('a key of the own, or ids without a key, take no right to read kube-system; an automatic cluster id does', async () => {
  await withFiles({ key: 'sixteen bytes or more' }, async (dir) => {
    expect(rulesOf(await explain(`--id-key-file=${dir}/key`))).toStrictEqual(['get /version', 'list nodes']);
    expect(rulesOf(await explain('--node-id=md5'))).toStrictEqual(['get /version', 'list nodes']);
    expect(rulesOf(await explain('--omit=id'))).toStrictEqual(['get /version', 'list nodes']);
    expect(rulesOf(await explain('--collect=namespaces', '--cluster-id=auto'))).toContain('get namespaces kube-system');
  });
});

test('ids that can be guessed are said to be', async () => {
  await expect(explain('--node-id=md5')).resolves.toContain('Whoever receives it can try out names');
});

test('--schema-version and --since tell what an upgrade adds', async () => {
  expect(fieldsOf(await explain('--schema-version=1')).every((path) => !/reportID|missing/.test(path ?? ''))).toBe(
    true,
  );
  const added = await explain('--since=1', '--collect=nodes,namespaces');
  expect(fieldsOf(added)).toStrictEqual([
    'reportID',
    'observedAt',
    'sequence',
    'namespaces',
    'missing[]',
    'missing[].what',
    'missing[].reason',
  ]);
  expect(rulesOf(added)).toStrictEqual(['list namespaces']);
  await expect(explain('--since=2')).resolves.toBe(
    'With these flags and schema version 2, a report has nothing that is newer than version 2.\n',
  );
});

test('flags of the volunteer that change nothing here are taken, wrong ones are told', async () => {
  await expect(explain('--period=1h', '--database=grpc://x', '--kubeconfig=/nonexistent')).resolves.toContain(
    '# What is collected',
  );

  const { code, stderr } = await runCommand(explainCommand, ['--collect=pods', '--since=0', '--nothing']);

  expect(code).toBe(2);
  expect(stderr).toContain('spartakus volunteer explain: unknown flag --nothing');
  expect(stderr).toContain('spartakus volunteer explain: --collect "pods" is not a field');
  expect(stderr).toContain('spartakus volunteer explain: --since "0" is no schema version');
});

test('as a program: volunteer explain is a command of its own', async () => {
  const { code, stdout } = await runProgram(['volunteer', 'explain', '--omit', 'osImage']);

  expect(code).toBe(0);
  expect(fieldsOf(stdout)).not.toContain('nodes[].osImage');
});
