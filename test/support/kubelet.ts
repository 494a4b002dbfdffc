import http from 'node:http';
import https from 'node:https';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Health, HealthCheckResponse_ServingStatus as ServingStatus } from '../../gen/grpc/health/v1/health_pb.js';
import type { Container, Probe } from './manifests.ts';

/** Requests as the kubelet does: under the pod's address, without a verification of the certificate. The value is the status. */
export async function getAsKubelet(url: string, headers: http.OutgoingHttpHeaders = {}): Promise<number | undefined> {
  const client = url.startsWith('https:') ? https : http;
  const options = { headers: { host: '10.244.1.7', ...headers }, rejectUnauthorized: false, agent: false };
  return await new Promise((resolve, reject) => {
    const request = client.get(url, options, (response) => {
      response.resume().on('end', () => resolve(response.statusCode));
    });
    request.on('error', reject);
  });
}

/** The answers to the startup, liveness and readiness probes of a container: a status of HTTP, or the name of that of gRPC's health. */
export async function probeContainer(
  { startupProbe, livenessProbe, readinessProbe }: Container,
  portOf: (port: number | string) => number,
): Promise<readonly unknown[]> {
  const probe = async ({ httpGet, grpc }: Probe): Promise<unknown> => {
    if (grpc !== undefined) {
      const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${portOf(grpc.port)}` });
      const { status } = await createClient(Health, transport).check({ service: grpc.service ?? '' });
      return ServingStatus[status];
    }
    const { path, port, scheme = 'HTTP' } = httpGet ?? { path: '', port: 0 };
    return await getAsKubelet(`${scheme.toLowerCase()}://127.0.0.1:${portOf(port)}${path}`);
  };
  return await Promise.all([startupProbe, livenessProbe, readinessProbe].map((each) => probe(each ?? {})));
}
