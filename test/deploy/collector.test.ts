import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { dump, load } from 'js-yaml';
import { beforeAll, describe, expect, test } from 'vitest';
import { CollectorService } from '../../gen/spartakus/collector/v1/collector_service_pb.js';
import { parseDurationMs } from '../../src/cli/values.ts';
import { listPodProblems, listReferenceProblems, readStart } from '../support/manifest-rules.ts';
import { listSchemaProblems } from '../support/manifest-schemas.ts';
import {
  at,
  type Container,
  findManifest,
  hasKubectl,
  listWorkloads,
  type Manifest,
  type PodSpec,
} from '../support/manifests.ts';
import { listNetworkProblems, permitsConnection, workloadNamed } from '../support/network.ts';
import { DEPLOY, renderCollector, SETTINGS } from '../support/overlay.ts';

const COLLECTOR = { labels: { 'app.kubernetes.io/name': 'spartakus', 'app.kubernetes.io/component': 'collector' } };
const ENTRIES = ['gateway', 'ingress', 'load-balancer'];
/** In the documented order. Each pair of components that belong together is in one of them. */
const COMBINATIONS: readonly (readonly string[])[] = [
  [],
  ['embedded'],
  ['database-init', 'tokens'],
  ['database-init', 'certificate', 'load-balancer', 'monitoring', 'tokens', 'tls'],
  ['embedded', 'certificate', 'load-balancer', 'monitoring', 'tls'],
  ['database-init', 'certificate', 'ingress', 'monitoring', 'tls'],
  ['embedded', 'certificate', 'ingress', 'tokens'],
  ['database-init', 'certificate', 'gateway', 'monitoring'],
  ['embedded', 'certificate', 'gateway', 'tokens', 'monitoring'],
];

interface Rendered {
  readonly name: string;
  readonly components: readonly string[];
  manifests: readonly Manifest[];
}

const rendered: Rendered[] = COMBINATIONS.map((components) => ({
  name: components.length === 0 ? 'the base' : components.join(', '),
  components,
  manifests: [],
}));

const having = (component: string): readonly Rendered[] =>
  rendered.filter(({ components }) => components.includes(component));

const podOf = (manifests: readonly Manifest[]): PodSpec => workloadNamed(manifests, 'spartakus-collector').pod;

function containerOf(manifests: readonly Manifest[]): Container {
  const [container] = podOf(manifests).containers;
  if (container === undefined) throw new Error('the pod has no container');
  return container;
}

describe.runIf(hasKubectl)('the collector', () => {
  beforeAll(async () => {
    await Promise.all(rendered.map(async (one) => (one.manifests = await renderCollector(one.components))));
  });

  test('every component is tested, and every pair that the documents combine', () => {
    const components = readdirSync(path.join(DEPLOY, 'collector/components')).filter((name) => name !== 'behind-proxy');
    const apart = [ENTRIES, ['embedded', 'database-init'], ['gateway', 'tls']];
    const isTogether = (one: string, other: string): boolean =>
      COMBINATIONS.some((names) => names.includes(one) && names.includes(other));
    const missing = components.flatMap((one) =>
      components
        .filter((other) => one !== other && !apart.some((names) => names.includes(one) && names.includes(other)))
        .filter((other) => !isTogether(one, other))
        .map((other) => `${one} with ${other}`),
    );

    expect(missing).toStrictEqual([]);
  });

  describe.each(rendered)('with $name', (one) => {
    const has = (name: string): boolean => one.components.includes(name);
    let manifests: readonly Manifest[];
    beforeAll(() => ({ manifests } = one));
    const find = (kind: string, name?: string): Manifest => findManifest(manifests, kind, name);

    test('follows the schemas and rules', async () => {
      await expect(listSchemaProblems(manifests)).resolves.toStrictEqual([]);
      await expect(listPodProblems(manifests)).resolves.toStrictEqual([]);
      expect(listReferenceProblems(manifests)).toStrictEqual([]);
      expect(listNetworkProblems(manifests)).toStrictEqual([]);
      expect(manifests.filter(({ metadata }) => metadata.namespace !== 'spartakus')).toStrictEqual([]);
    });

    test('has no secret, no placeholder and one version of the image', () => {
      const text = JSON.stringify(manifests);
      const images = listWorkloads(manifests).flatMap(({ pod }) =>
        [...(pod.initContainers ?? []), ...pod.containers].map(({ image }) => image),
      );

      expect(manifests.filter(({ kind }) => kind === 'Secret')).toStrictEqual([]);
      expect(text).not.toMatch(/mongodb(?:\+srv)?:\/\//);
      expect([...text.matchAll(/"([A-Z]+-)*(HOST|CLASS|NAMESPACE|ISSUER)"/g)]).toStrictEqual([]);
      expect(new Set(images)).toStrictEqual(new Set(['spartakus:2.0.0']));
      expect(containerOf(manifests).env?.find(({ name }) => name === 'SPARTAKUS_DATABASE')).toMatchObject(
        has('embedded')
          ? { value: 'embedded:/var/lib/spartakus/data' }
          : { valueFrom: { secretKeyRef: { name: 'spartakus-collector-database', key: 'uri' } } },
      );
    });

    test('has time to start and to stop', async () => {
      const { texts } = await readStart(containerOf(manifests), manifests);
      const msOf = (flag: string): number => parseDurationMs(texts.get(flag) ?? '');
      const { periodSeconds = 0, failureThreshold = 0 } = containerOf(manifests).startupProbe as unknown as Record<
        string,
        number
      >;
      const pauseMs = Number(at(containerOf(manifests), 'lifecycle', 'preStop', 'sleep', 'seconds')) * 1000;
      const graceMs = Number(podOf(manifests)['terminationGracePeriodSeconds']) * 1000;

      expect(periodSeconds * failureThreshold * 1000).toBeGreaterThanOrEqual(msOf('start-timeout'));
      expect(msOf('shutdown-grace')).toBeGreaterThan(msOf('store-timeout'));
      expect(graceMs).toBeGreaterThanOrEqual(pauseMs + msOf('shutdown-grace') + 5_000);
    });

    test('probes without the database for liveness, and never with gRPC over TLS', () => {
      const { startupProbe, livenessProbe, readinessProbe } = containerOf(manifests);
      const scheme = has('tls') ? 'HTTPS' : 'HTTP';

      expect(startupProbe?.httpGet).toStrictEqual({ path: '/healthz', port: 'reports', scheme });
      expect(livenessProbe?.httpGet).toStrictEqual({
        path: '/healthz',
        port: has('monitoring') ? 'console' : 'reports',
        scheme,
      });
      expect(readinessProbe?.grpc ?? readinessProbe?.httpGet).toStrictEqual(
        has('tls') ? { path: '/readyz', port: 'reports', scheme } : { port: 8080 },
      );
    });

    test('trusts the proxy in front, and then nothing else reaches it', async () => {
      const { texts } = await readStart(containerOf(manifests), manifests);
      const isBehindProxy = has('gateway') || has('ingress');
      const from = (namespace?: string): boolean =>
        permitsConnection(manifests, { namespace: namespace ?? 'elsewhere' }, COLLECTOR, 8080);

      expect(texts.get('trusted-proxies')).toBe(isBehindProxy ? SETTINGS['trusted-proxies'] : '');
      expect(from('proxies')).toBe(true);
      expect(from()).toBe(!isBehindProxy);
    });

    test('reaches its database, and shows the console to Prometheus alone', async () => {
      const { texts } = await readStart(containerOf(manifests), manifests);
      const toDatabase = permitsConnection(manifests, COLLECTOR, { namespace: 'databases' }, 27017);
      const toInternet = permitsConnection(manifests, COLLECTOR, { namespace: 'elsewhere' }, 443);
      const toConsole = (namespace: string) => permitsConnection(manifests, { namespace }, COLLECTOR, 8081);

      expect(toDatabase).toBe(!has('embedded'));
      expect(toInternet).toBe(false);
      expect(toConsole('monitoring')).toBe(has('monitoring'));
      expect(toConsole('elsewhere')).toBe(false);
      expect(texts.get('console-listen')).toBe(has('monitoring') ? ':8081' : '127.0.0.1:8081');
      expect(texts.get('console-token-file')).toBe(has('monitoring') ? '/etc/spartakus/console/token' : undefined);
    });

    test('says which protocol its port has', () => {
      const ports = manifests
        .filter(({ kind, metadata }) => kind === 'Service' && metadata.name !== 'spartakus-collector-console')
        .flatMap(({ spec }) => at(spec, 'ports') as readonly { readonly appProtocol: string; readonly port: number }[]);

      expect(new Set(ports.map(({ appProtocol }) => appProtocol))).toStrictEqual(
        new Set([has('tls') ? 'https' : 'kubernetes.io/h2c']),
      );
      expect(at(find('Service', 'spartakus-collector').spec, 'type')).toBe(
        has('load-balancer') ? 'LoadBalancer' : undefined,
      );
    });
  });

  test.each(having('embedded'))('is one pod, which nothing scales: $name', ({ manifests }) => {
    expect(findManifest(manifests, 'StatefulSet').spec).toMatchObject({
      replicas: 1,
      serviceName: 'spartakus-collector-headless',
    });
    expect(manifests.filter(({ kind }) => /Autoscaler|Budget|Deployment/.test(kind))).toStrictEqual([]);
  });

  test.each(rendered.filter(({ components }) => !components.includes('embedded')))(
    'scales from two pods, of which one may be away: $name',
    ({ manifests }) => {
      const { minReplicas = 0, maxReplicas } = findManifest(manifests, 'HorizontalPodAutoscaler').spec as Record<
        string,
        number
      >;
      const { maxUnavailable } = findManifest(manifests, 'PodDisruptionBudget').spec as Record<string, number>;
      const constraints = podOf(manifests)['topologySpreadConstraints'] as readonly unknown[];

      // Otherwise each `kubectl apply` undoes the autoscaler.
      expect(findManifest(manifests, 'Deployment').spec).not.toHaveProperty('replicas');
      expect(minReplicas).toBe(2);
      expect(maxReplicas).toBeGreaterThan(2);
      expect(maxUnavailable).toBeLessThan(minReplicas);
      expect(containerOf(manifests).resources?.requests).toHaveProperty('cpu');
      expect(constraints.map((constraint) => at(constraint, 'labelSelector', 'matchLabels'))).toStrictEqual([
        COLLECTOR.labels,
        COLLECTOR.labels,
      ]);
    },
  );

  test.each(having('ingress'))('an Ingress for each protocol leads to it: $name', ({ components, manifests }) => {
    const [grpc, json] = ['grpc', 'json'].map((name) =>
      findManifest(manifests, 'Ingress', `spartakus-collector-${name}`),
    );
    const protocolOf = (ingress?: Manifest) =>
      ingress?.metadata.annotations?.['nginx.ingress.kubernetes.io/backend-protocol'];
    const rule = at(grpc?.spec, 'rules', '0', 'http', 'paths') as readonly { readonly path: string }[];

    expect([protocolOf(grpc), protocolOf(json)]).toStrictEqual(
      components.includes('tls') ? ['GRPCS', 'HTTPS'] : ['GRPC', 'HTTP'],
    );
    expect(rule.map((each) => each.path)).toContain(`/${CollectorService.typeName}`);
    for (const ingress of [grpc, json]) {
      expect(at(ingress?.spec, 'rules', '0', 'host')).toBe(SETTINGS['host']);
      expect(at(ingress?.spec, 'tls', '0')).toStrictEqual({
        hosts: [SETTINGS['host']],
        secretName: at(findManifest(manifests, 'Certificate').spec, 'secretName'),
      });
    }
  });

  test.each(having('gateway'))('routes have listeners and host names of their own: $name', ({ manifests }) => {
    const [grpc, json] = [findManifest(manifests, 'GRPCRoute'), findManifest(manifests, 'HTTPRoute')];
    const listeners = at(findManifest(manifests, 'Gateway').spec, 'listeners') as readonly Record<string, unknown>[];

    // A listener accepts one of the two kinds for a host name.
    expect([at(grpc.spec, 'hostnames'), at(json.spec, 'hostnames')]).toStrictEqual([
      [SETTINGS['grpc-host']],
      [SETTINGS['host']],
    ]);
    for (const { spec } of [grpc, json]) {
      const listener = listeners.find(({ name }) => name === at(spec, 'parentRefs', '0', 'sectionName'));
      expect([listener?.['hostname']]).toStrictEqual(at(spec, 'hostnames'));
      expect(at(listener, 'tls', 'certificateRefs', '0', 'name')).toBe(
        at(findManifest(manifests, 'Certificate').spec, 'secretName'),
      );
      expect(at(spec, 'rules', '0', 'backendRefs')).toStrictEqual([{ name: 'spartakus-collector', port: 8080 }]);
    }
    expect(at(findManifest(manifests, 'Certificate').spec, 'dnsNames')).toStrictEqual([
      SETTINGS['host'],
      SETTINGS['grpc-host'],
    ]);
  });

  test.each(having('monitoring'))('Prometheus finds the console and its token: $name', ({ components, manifests }) => {
    const { endpoints, selector } = findManifest(manifests, 'ServiceMonitor').spec as unknown as {
      readonly endpoints: readonly Record<string, unknown>[];
      readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
    };
    const services = manifests.filter(
      ({ kind, metadata, spec }) =>
        kind === 'Service' &&
        Object.entries(selector.matchLabels).every(([name, value]) => metadata.labels?.[name] === value) &&
        (at(spec, 'ports') as readonly { readonly name: string }[]).some(({ name }) => name === 'console'),
    );
    const volume = podOf(manifests).volumes?.find(({ name }) => name === 'console');

    expect(services.map(({ metadata }) => metadata.name)).toStrictEqual(['spartakus-collector-console']);
    expect(endpoints).toMatchObject([
      { port: 'console', path: '/metrics', scheme: components.includes('tls') ? 'https' : 'http' },
    ]);
    expect(at(endpoints[0], 'authorization', 'credentials')).toStrictEqual({
      name: at(volume, 'secret', 'secretName'),
      key: at(volume, 'secret', 'items', '0', 'key'),
    });
  });

  test.each(ENTRIES.filter((name) => name !== 'load-balancer'))('%s without settings is not rendered', async (name) => {
    await expect(renderCollector(['certificate', name], {})).rejects.toThrow(/spartakus-settings/);
  });

  test('the rules for the Prometheus operator are those of deploy/grafana', async () => {
    const alerts = load(readFileSync(path.join(DEPLOY, 'grafana/alerts.yaml'), 'utf8'));
    const file = path.join(DEPLOY, 'collector/components/monitoring/prometheus-rule.yaml');
    const rule = {
      apiVersion: 'monitoring.coreos.com/v1',
      kind: 'PrometheusRule',
      metadata: { name: 'spartakus-collector', labels: COLLECTOR.labels },
      spec: alerts,
    };

    const note = '# Made from deploy/grafana/alerts.yaml: vitest run --update test/deploy/collector.test.ts\n';
    await expect(note + dump(rule, { lineWidth: 120 })).toMatchFileSnapshot(file);
  });
});
