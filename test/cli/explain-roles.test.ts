import { assert, asyncProperty, type Arbitrary, constantFrom, option, record, subarray } from 'fast-check';
import { loadAll } from 'js-yaml';
import { expect, test } from 'vitest';
import { explainCommand } from '../../src/cli/explain.ts';
import { COLLECTABLE } from '../../src/report/field-selection.ts';
import { listSchemaProblems } from '../support/manifest-schemas.ts';
import type { Manifest, Rule } from '../support/manifests.ts';
import { runCommand } from '../support/run-command.ts';

const subsetOf = (...values: readonly string[]): Arbitrary<string> =>
  subarray(values as string[], { minLength: 1 }).map((chosen) => chosen.join(','));
const optional = (...values: readonly string[]): Arbitrary<string | undefined> =>
  option(constantFrom(...values), { nil: undefined });

/** Every flag that may change the roles; all combinations of them are valid. */
const FLAGS = record({
  collect: option(subsetOf(...COLLECTABLE.filter((name) => name !== 'extensions')), { nil: undefined }),
  omit: option(subsetOf('masterVersion', 'id', 'nodes', 'workloads.jobs', 'namespaces', 'capacity'), {
    nil: undefined,
  }),
  agree: optional('2'),
  'cluster-id': optional('auto', 'jane.doe', '2f9c4a7e-6d0b-4b7e-9f51-1c1f3b7a9d10'),
  'cluster-id-verbatim': optional('true'),
  'node-id': optional('md5', 'hmac'),
  'id-key': optional('random', 'kube-system'),
  'id-secret': optional('123', 'true', '1e5', 'null', 'a.b', 'spartakus-volunteer', 'x'.repeat(253)),
  database: optional('stdout', 'grpcs://collector.example.com', 'https://collector.example.com'),
  kubeconfig: optional('/nonexistent'),
  'spool-dir': optional('/nonexistent'),
}).map((flags) =>
  Object.entries(flags).flatMap(([name, value]) => (value === undefined ? [] : [`--${name}=${value}`])),
);

const isProblem = (problem: string | false): problem is string => problem !== false;

/** What is wrong with a rule beyond its schema, which allows rules that allow nothing. */
function findRuleProblems(kind: string, rule: Rule): readonly string[] {
  const { verbs, apiGroups, resources, nonResourceURLs } = rule;
  const text = JSON.stringify(rule);
  const isForSecrets = resources?.includes('secrets') === true;
  return [
    verbs.length === 0 && `${text} has no verb`,
    (resources === undefined) === (nonResourceURLs === undefined) && `${text} has no object, or two kinds of them`,
    resources !== undefined && (apiGroups ?? []).length === 0 && `${text} has no group`,
    resources?.length === 0 && `${text} has no resource`,
    kind === 'Role' && nonResourceURLs !== undefined && `${text}: a Role has no URLs`,
    text.includes('*') && `${text} has a wildcard`,
    isForSecrets && (kind !== 'Role' || rule.resourceNames?.length !== 1) && `${text} is not for one Secret`,
  ].filter(isProblem);
}

/** What is wrong with the output beyond the schemas. */
function findProblems(output: string, manifests: readonly Manifest[]): readonly string[] {
  const kinds = manifests.map(({ kind }) => kind).join();
  const [, role, secret] = manifests;
  const problems = [
    !['ClusterRole', 'ClusterRole,Role,Secret'].includes(kinds) && `the kinds are ${kinds}`,
    role !== undefined && role.rules?.[0]?.resourceNames?.[0] !== secret?.metadata.name && 'another Secret',
    ...manifests.flatMap(({ kind, metadata: { name }, rules = [] }) => [
      // Kubernetes checks names beyond the schema.
      !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(name) && `${kind} ${name} has no valid name`,
      // The comments name what is missing: the bindings.
      kind !== 'Secret' && !output.includes(`--${kind.toLowerCase()}=${name} `) && `${kind} ${name} is not bound`,
      new Set(rules.map((rule) => JSON.stringify(rule))).size !== rules.length && `${kind} has a rule twice`,
      ...rules.flatMap((rule) => findRuleProblems(kind, rule)),
    ]),
  ];
  return problems.filter(isProblem);
}

test('for every combination of flags, --format=yaml prints valid roles, without wildcards and with one Secret at most', async () => {
  await assert(
    asyncProperty(FLAGS, async (flags) => {
      const { code, stdout, stderr } = await runCommand(explainCommand, ['--format=yaml', ...flags]);
      const manifests = loadAll(stdout) as Manifest[];

      expect([code, stderr]).toStrictEqual([0, '']);
      expect(await listSchemaProblems(manifests)).toStrictEqual([]);
      expect(findProblems(stdout, manifests)).toStrictEqual([]);
    }),
    { numRuns: 150 },
  );
});

test.each(['a..b', 'a.-b', '-a', 'a-', 'A', '', 'x'.repeat(254)])(
  '--id-secret=%s is not the name of a Secret',
  async (name) => {
    const { code, stderr } = await runCommand(explainCommand, [`--id-secret=${name}`]);

    expect(code).toBe(2);
    expect(stderr).toContain('--id-secret');
  },
);
