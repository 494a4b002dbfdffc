import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { PolicyRule } from '../../src/report/cluster-role.ts';
import { KUBERNETES_RESOURCES, listUnreadable } from '../../src/report/kubernetes-resources.ts';

/** The resources that Kubernetes' own client can list in a stable version, as `group/resource`. */
function listClientResources(): string[] {
  const main = createRequire(import.meta.url).resolve('@kubernetes/client-node');
  const dir = path.join(path.dirname(main), 'gen/apis');
  const resources = readdirSync(dir)
    .filter((name) => /V\d+Api\.js$/.test(name))
    .flatMap((name) => [
      ...readFileSync(path.join(dir, name), 'utf8').matchAll(
        /\blist\w+\([^]*?localVarPath = '\/(?:api|apis\/([^/']+))\/v\d+\/(?:namespaces\/\{namespace\}\/)?(\w+)'/g,
      ),
    ])
    .map(([, group = '', resource]) => `${group}/${resource}`);
  return [...new Set(resources)].toSorted();
}

test('the list is that of the resources that can be read', () => {
  const listed = Object.entries(KUBERNETES_RESOURCES).flatMap(([group, names]) =>
    names.map((name) => `${group}/${name}`),
  );

  expect(listed.toSorted()).toStrictEqual(listClientResources());
});

const rule = (group: string, resource: string, name?: string): PolicyRule => ({
  apiGroups: [group],
  resources: [resource],
  ...(name === undefined ? {} : { resourceNames: [name] }),
  verbs: ['list'],
});

test('what rules allow can be read; of named objects, all others cannot', () => {
  const whatOf = (rules: readonly PolicyRule[], secretRules: readonly PolicyRule[] = []) =>
    new Map(listUnreadable(rules, secretRules).map(({ group, what }) => [group, what]));

  const nothing = whatOf([]);
  expect([...nothing].flatMap(([, what]) => what)).toHaveLength(Object.values(KUBERNETES_RESOURCES).flat().length);
  const some = whatOf(
    [rule('', 'nodes'), rule('', 'namespaces', 'kube-system'), rule('batch', 'jobs'), rule('batch', 'cronjobs')],
    [rule('', 'secrets', 'my-key')],
  );
  expect(some.get('')).not.toContain('nodes');
  expect(some.get('')).toStrictEqual(
    expect.arrayContaining([
      'namespaces other than kube-system',
      'secrets other than my-key in the namespace of the pod',
    ]),
  );
  expect(some.has('batch')).toBe(false);
  expect(whatOf([rule('', 'namespaces', 'kube-system'), rule('', 'namespaces')]).get('')).not.toContainEqual(
    expect.stringMatching(/^namespaces/),
  );
  // A resource of this name exists in two groups.
  expect(whatOf([rule('', 'events')]).get('events.k8s.io')).toStrictEqual(['events']);
});
