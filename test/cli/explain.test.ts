import { expect, test } from 'vitest';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { explainCommand } from '../../src/cli/explain.ts';
import { listFields } from '../../src/report/schema-fields.ts';
import { withFiles } from '../support/files.ts';
import { runProgram } from '../support/program.ts';
import { runCommand } from '../support/run-command.ts';

/** Standard output, as Markdown unless the arguments name another format. */
async function explain(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(explainCommand, ['--format=markdown', ...args]);
  expect([code, stderr]).toStrictEqual([0, '']);
  return stdout;
}

/** The fields that the page lists. */
const fieldsOf = (page: string) =>
  [...page.replace(/\n## Requests[^]*/, '').matchAll(/^\| `([^`]+)` +\|/gm)].map(([, path]) => path);

/** The rules of the role that the page shows, in short. */
const rulesOf = (page: string) =>
  [
    ...page.matchAll(
      /(?:nonResourceURLs|resources): \["([^"]+)"\]\n(?: {4}resourceNames: \["([^"]+)"\]\n)? {4}verbs: \[("[^\]]+)\]/g,
    ),
  ].map(([, what, name, verbs = '']) =>
    [verbs.replaceAll('"', ''), what, ...(name === undefined ? [] : [name])].join(' '),
  );

/** The rules of the Role for the Secret with the key of identifiers. */
const OWN_SECRET = ['get, update secrets spartakus-volunteer'];

test('without flags, the page lists the fields that a volunteer without flags sends, and the smallest role for them', async () => {
  const page = await explain();

  expect(fieldsOf(page)).toStrictEqual(
    listFields()
      .map(({ path }) => path)
      .filter((path) => !/^(extensions|namespaces|workloads|lifetimes)\b/.test(path)),
  );
  expect(rulesOf(page)).toStrictEqual(['get /version', 'list nodes', ...OWN_SECRET]);
  expect(page.replaceAll('\n', ' ')).toContain(
    'cannot read secrets, config maps, events, logs, users, namespaces, pods, services, deployments, statefulsets, daemonsets, jobs,',
  );
});

test('--collect and --omit change fields and rights', async () => {
  const page = await explain(
    '--collect=workloads,lifetimes',
    '--omit=masterVersion,workloads.jobs,lifetimes.servicesAtLeastHours',
  );

  expect(fieldsOf(page)).toEqual(
    expect.arrayContaining(['workloads.pods[].atLeast', 'lifetimes.podsAtLeastHours', 'missing[].reason']),
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

test('only keyed identifiers need the Secret, and only --id-key=kube-system that namespace', async () => {
  await withFiles({ key: 'sixteen bytes or more' }, async (dir) => {
    expect(rulesOf(await explain(`--id-key-file=${dir}/key`))).toStrictEqual(['get /version', 'list nodes']);
    expect(rulesOf(await explain('--node-id=md5'))).toStrictEqual(['get /version', 'list nodes']);
    expect(rulesOf(await explain('--omit=id'))).toStrictEqual(['get /version', 'list nodes']);
    expect(rulesOf(await explain('--kubeconfig=/nonexistent'))).toStrictEqual(['get /version', 'list nodes']);
    expect(rulesOf(await explain('--collect=namespaces', '--cluster-id=auto'))).toStrictEqual([
      'get /version',
      'list namespaces',
      ...OWN_SECRET,
    ]);
    expect(rulesOf(await explain('--collect=namespaces', '--cluster-id=jane.doe'))).toContain(OWN_SECRET[0]);
    expect(rulesOf(await explain('--id-key=kube-system'))).toStrictEqual([
      'get /version',
      'list nodes',
      'get namespaces kube-system',
    ]);
  });
});

test('the page warns of identifiers that can be guessed', async () => {
  await expect(explain('--node-id=md5')).resolves.toContain('Recipients can guess node names');
});

test('--agree and --diff show what an upgrade adds', async () => {
  expect(fieldsOf(await explain('--agree=1')).every((path) => !/reportID|missing/.test(path ?? ''))).toBe(true);
  const added = await explain('--agree=1', '--diff=1', '--collect=nodes,namespaces');
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
  expect(added.replaceAll('\n', ' ')).toContain('sent with `--agree 2`; now, fields up to version 1 are');
  await expect(explain('--diff=2')).resolves.toBe(
    'With these flags, nothing in a report is newer than version 2; this release has version 2.\n',
  );
});

test('--records describes the records of agents, and what is newer in them', async () => {
  const all = listFields(RecordSchema).map(({ path }) => path);
  const old = listFields(RecordSchema).filter(({ since }) => since === 1);

  expect(fieldsOf(await explain('--records'))).toStrictEqual(all);
  expect(fieldsOf(await explain('--records', '--agree=1'))).toStrictEqual(old.map(({ path }) => path));
  expect(fieldsOf(await explain('--records', '--diff=1'))).toHaveLength(all.length - old.length);
  await expect(explain('--records', '--format=text')).resolves.toMatch(/spartakus\s+reporter\s+stdout/);
  // The schema's rules for Secrets have no names, and would grant all Secrets of the cluster.
  for (const format of ['text', 'markdown', 'json'])
    await expect(explain('--records', `--format=${format}`)).resolves.not.toMatch(/ClusterRole|"secrets"/);
});

test('the page prints the number that is agreed to by default', async () => {
  expect((await explain()).replaceAll('\n', ' ')).toContain(
    'up to version 2 of the schema (`--agree 2`); this release has version 2. An upgrade does not change that number.',
  );
});

test('flags of the volunteer without effect here are accepted, invalid ones are reported', async () => {
  await expect(explain('--period=1h', '--database=grpc://x', '--kubeconfig=/nonexistent')).resolves.toContain(
    '# What is collected',
  );

  const { code, stderr } = await runCommand(explainCommand, ['--collect=pods', '--diff=0', '--nothing']);

  expect(code).toBe(2);
  expect(stderr).toContain('spartakus volunteer explain: unknown flag --nothing');
  expect(stderr).toContain('spartakus volunteer explain: --collect "pods" is not a field');
  expect(stderr).toContain('spartakus volunteer explain: --diff "0" is not a schema version');
});

test('as a program: volunteer explain is a command', async () => {
  const { code, stdout } = await runProgram(['volunteer', 'explain', '--format=markdown', '--omit', 'osImage']);

  expect(code).toBe(0);
  expect(fieldsOf(stdout)).not.toContain('nodes[].osImage');
});

test('by default it prints text that fits 80 columns, with every field and rule', async () => {
  const text = await explain('--format=text', '--node-id=md5', '--collect=nodes,workloads');

  expect(text.split('\n').filter((line) => line.length > 80)).toStrictEqual([]);
  expect([...text.matchAll(/^ {2}([\w.[\]]+)\n {6}/gm)].map(([, path]) => path)).toStrictEqual(
    expect.arrayContaining(fieldsOf(await explain('--collect=nodes,workloads'))),
  );
  expect(text).toContain('Recipients can guess node names.');
  expect(text).toMatch(/\n {2}get \/version\n {2}list nodes\n {2}list pods\n/);
  await expect(runCommand(explainCommand, ['--node-id=md5', '--collect=nodes,workloads'])).resolves.toMatchObject({
    stdout: text,
  });
});

test('the consequence of --id-key=kube-system, the scope and a hashed cluster ID are explained', async () => {
  const page = await explain('--id-key=kube-system', '--cluster-id=production', '--database=grpc://C.example.com:1');

  expect(page).toContain('anyone can compute its identifier');
  expect(page).toContain('the scope `c.example.com` (`--id-scope`)');
  expect(page).toContain('`--cluster-id` is not a random UUID, so `clusterID` is a keyed hash of it.');
  await expect(explain('--cluster-id=production', '--database=http://c.example.com')).resolves.not.toContain(
    'is not a random UUID',
  );
});

test('--exact-quantities is explained where quantities are sent', async () => {
  await expect(explain('--exact-quantities')).resolves.toContain('`nodes[].capacity[].value` has all digits');
  for (const flags of [['--exact-quantities', '--omit=capacity'], []])
    await expect(explain(...flags)).resolves.not.toContain('has all digits');
});

test('--format=yaml prints the ClusterRole, and the Role and an empty Secret where they are needed', async () => {
  const [, role, secret] = (await explain('--format=yaml', '--id-secret=my-key')).split('\n---\n');

  expect(role).toBe(`apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: spartakus-volunteer
rules:
  - apiGroups: [""]
    resources: ["secrets"]
    resourceNames: ["my-key"]
    verbs: ["get", "update"]`);
  expect(secret).toBe(`apiVersion: v1
kind: Secret
metadata:
  name: my-key
type: Opaque
`);
});

test('--format=yaml prints the ClusterRole alone, and how to apply and bind it', async () => {
  const account = '--serviceaccount=NAMESPACE:spartakus-volunteer';
  await expect(explain('--format=yaml', '--omit=id')).resolves
    .toBe(`# The smallest rights for these flags. NAMESPACE is that of the pod of the volunteer:
#   kubectl apply --namespace=NAMESPACE --filename=-
# They have an effect once they are bound to its ServiceAccount, such as one named spartakus-volunteer:
#   kubectl create clusterrolebinding spartakus-volunteer --clusterrole=spartakus-volunteer ${account}
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: spartakus-volunteer
rules:
  - nonResourceURLs: ["/version"]
    verbs: ["get"]
  - apiGroups: [""]
    resources: ["nodes"]
    verbs: ["list"]
`);
});

test('--format=yaml prints no part of a role, which kubectl would replace the role by, and no role of agents', async () => {
  for (const flag of ['--diff=1', '--records']) {
    const { code, stdout, stderr } = await runCommand(explainCommand, ['--format=yaml', flag]);
    expect([code, stdout]).toStrictEqual([2, '']);
    expect(stderr).toMatch(/--diff has only the rights of newer fields|--records has no --format yaml/);
  }
});

test('--format=json prints fields and rules for machines', async () => {
  const json = JSON.parse(await explain('--format=json', '--cluster-id=auto', '--database=grpc://collector')) as {
    readonly fields: readonly object[];
    readonly rules: readonly object[];
    readonly secretRules: readonly object[];
  };

  expect(json).toMatchObject({ agree: 2, current: 2, requests: [{ protocol: 'gRPC' }] });
  expect(json).toMatchObject({
    notes: [expect.stringContaining('--cluster-id auto'), expect.stringContaining('--id-scope')],
  });
  expect(json.fields).toHaveLength(fieldsOf(await explain()).length);
  expect(json.fields).toContainEqual({
    path: 'nodes[].id',
    description: expect.stringMatching(/\w+/) as string,
    source: expect.stringMatching(/\w+/) as string,
    treatment: 'keyed hash',
    purpose: expect.stringMatching(/^[A-Z].*\.$/) as string,
    reviewed: expect.stringMatching(/^\d{4}-/) as string,
    expires: expect.stringMatching(/^\d{4}-/) as string,
    since: 1,
  });
  expect(json.rules).toContainEqual({ nonResourceURLs: ['/version'], verbs: ['get'] });
  expect(json.secretRules).toStrictEqual([
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['spartakus-volunteer'], verbs: ['get', 'update'] },
  ]);
});
