import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { describe, expect, test } from 'vitest';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';
import { withCollectorPod } from '../support/collector-pod.ts';
import { hasKubectl, type Probe } from '../support/manifests.ts';
import { renderCollector } from '../support/overlay.ts';

const fixture = (name: string): string => readFileSync(path.join(import.meta.dirname, '../fixtures/tls', name), 'utf8');
/** What the Secrets and volumes of the manifests have, by its path in the container. */
const FILES = {
  'etc/spartakus/tls/tls.crt': fixture('server.crt'),
  'etc/spartakus/tls/tls.key': fixture('server.key'),
  'etc/spartakus/console/token': 'token-of-prometheus',
  'etc/spartakus/tokens/tokens': 'token-of-a-client',
  'var/lib/spartakus/lost+found/.keep': '',
};

/** Sends a request as the kubelet does: to the pod's address, and without a verification of the certificate. */
async function get(
  url: string,
  headers: http.OutgoingHttpHeaders = {},
): Promise<{ readonly status: number | undefined }> {
  const client = url.startsWith('https:') ? https : http;
  const options = { headers: { host: '10.244.1.7', ...headers }, rejectUnauthorized: false, agent: false };
  return await new Promise((resolve, reject) => {
    const request = client.get(url, options, (response) => {
      response.resume().on('end', () => resolve({ status: response.statusCode }));
    });
    request.on('error', reject);
  });
}

/** The answer to a probe: 200 or SERVING. */
async function probe({ httpGet, grpc }: Probe, portOf: (port: number | string) => number) {
  if (grpc !== undefined) {
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${portOf(grpc.port)}` });
    const { status } = await createClient(Health, transport).check({ service: grpc.service ?? '' });
    return ServingStatus[status];
  }
  const { path: target, port, scheme = 'HTTP' } = httpGet ?? { path: '', port: 0 };
  return (await get(`${scheme.toLowerCase()}://127.0.0.1:${portOf(port)}${target}`)).status;
}

describe.runIf(hasKubectl)('a collector that is started as its pod', () => {
  test.each([
    // Through `kubectl port-forward`, the console has a name of this machine.
    [['embedded'], { probes: [200, 200, 'SERVING'], scrapes: [403, 403] }],
    [
      ['embedded', 'certificate', 'load-balancer', 'monitoring', 'tokens', 'tls'],
      { probes: [200, 200, 200], scrapes: [401, 200] },
    ],
  ])('with %j answers its probes, and Prometheus', async (components, expected) => {
    const manifests = await renderCollector(components);
    await withCollectorPod(manifests, FILES, async ({ container, portOf }) => {
      const { startupProbe, livenessProbe, readinessProbe } = container;
      const answers = [startupProbe, livenessProbe, readinessProbe].map((each) => probe(each ?? {}, portOf));
      const scheme = components.includes('tls') ? 'https' : 'http';
      const metrics = `${scheme}://127.0.0.1:${portOf('console')}/metrics`;
      const scrapes = [get(metrics), get(metrics, { authorization: 'Bearer token-of-prometheus' })];

      expect(await Promise.all(answers)).toStrictEqual(expected.probes);
      expect((await Promise.all(scrapes)).map(({ status }) => status)).toStrictEqual(expected.scrapes);
    });
  });
});
