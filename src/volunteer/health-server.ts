import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Counters, REPORT_COUNTERS, type ReportCounter } from '../delivery/counters.ts';
import type { SpoolSize } from '../delivery/spool/spool.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import { parseRequestTarget } from '../runtime/request-target.ts';
import { STATUS_PATH, type VolunteerStatus } from './status.ts';

interface VolunteerHealthOptions {
  readonly port: number;
  readonly isLive: () => boolean;
  readonly isReady: () => boolean;
  readonly counters: Counters;
  readonly spoolSize: () => SpoolSize;
}

export interface VolunteerHealth {
  readonly port: number;
  close(): Promise<void>;
}

const TEXT = 'text/plain; charset=utf-8';
/** https://prometheus.io/docs/instrumenting/exposition_formats/ */
const METRICS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/** Serves /livez, /readyz, /metrics and /status, without data of reports. Rejects with a SpartakusError `invalid` where it cannot listen. */
export async function openVolunteerHealth(options: VolunteerHealthOptions): Promise<VolunteerHealth> {
  const { port, isLive, isReady } = options;
  const routes: Readonly<Record<string, () => HealthResponse>> = {
    '/livez': () => healthOf(isLive(), 'the gathering or the delivery has stopped'),
    '/readyz': () => healthOf(isReady(), 'the last gathering failed, or there was none yet'),
    '/metrics': () => ({ status: 200, body: metricsOf(options), type: METRICS_TEXT }),
    [STATUS_PATH]: () => ({ status: 200, body: `${JSON.stringify(statusOf(options))}\n`, type: 'application/json' }),
  };
  const server = http.createServer((request, response) => {
    request.resume();
    const route = routes[parseRequestTarget(request.url).path];
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const { status, body, type = TEXT } = route === undefined ? NOT_FOUND : isRead ? route() : NOT_ALLOWED;
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      ...(status === 405 && { allow: 'GET, HEAD' }),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  try {
    server.listen(port);
    await once(server, 'listening');
  } catch (error) {
    const message = `--health-port ${port}: cannot be listened on (${messageOf(error)}).`;
    throw new SpartakusError('invalid', message, { field: '--health-port' });
  }
  // The open port must not keep the process running.
  server.unref();
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

interface HealthResponse {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

const NOT_FOUND: HealthResponse = { status: 404, body: 'the paths are /livez, /readyz, /metrics and /status\n' };
const NOT_ALLOWED: HealthResponse = { status: 405, body: 'the methods are GET and HEAD\n' };

function healthOf(isHealthy: boolean, problem: string): HealthResponse {
  return isHealthy ? { status: 200, body: 'ok\n' } : { status: 503, body: `${problem}\n` };
}

function statusOf({ counters, spoolSize }: VolunteerHealthOptions): VolunteerStatus {
  const { reports, inMemory } = spoolSize();
  const last = counters.lastSuccess();
  return {
    lastDelivery: last && { time: last.at.toISOString(), outcome: last.outcome },
    deliveryFailure: counters.failingFor('delivery'),
    gatheringFailure: counters.failingFor('gathering'),
    rejected: counters.count('rejected'),
    waiting: reports,
    waitingInMemory: inMemory,
  };
}

const REPORT_HELP: Readonly<Record<ReportCounter, string>> = {
  made: 'Reports made.',
  stored: 'Reports stored by the collector.',
  rejected: 'Reports rejected by the collector for good.',
  dropped: 'Reports dropped because the spool was full.',
  corrupt: 'Reports found corrupt in the spool.',
};

function metricsOf({ counters, spoolSize }: VolunteerHealthOptions): string {
  const { reports, bytes, inMemory } = spoolSize();
  const lastSuccess = (counters.lastSuccess()?.at.getTime() ?? 0) / 1000;
  const failures = counters
    .failures()
    .map(({ during, cause, count }) => `{during="${during}",cause="${cause}"} ${count}`);
  const lastSuccessHelp = 'When the collector last stored a report; 0 where it has not yet in this run.';
  const metrics: [name: string, type: 'gauge' | 'counter', help: string, samples: readonly string[]][] = [
    ['last_success_timestamp_seconds', 'gauge', lastSuccessHelp, [` ${lastSuccess}`]],
    ['spool_reports', 'gauge', 'Reports in the spool.', [` ${reports}`]],
    ['spool_memory_reports', 'gauge', 'Reports of the spool that are in memory only.', [` ${inMemory}`]],
    ['spool_bytes', 'gauge', 'Bytes of the reports in the spool.', [` ${bytes}`]],
  ];
  for (const name of REPORT_COUNTERS)
    metrics.push([`reports_${name}_total`, 'counter', REPORT_HELP[name], [` ${counters.count(name)}`]]);
  metrics.push(['failures_total', 'counter', 'Failures by operation and cause.', failures]);
  const lines = metrics.flatMap(([name, type, help, samples]) => [
    `# HELP spartakus_volunteer_${name} ${help}`,
    `# TYPE spartakus_volunteer_${name} ${type}`,
    ...samples.map((sample) => `spartakus_volunteer_${name}${sample}`),
  ]);
  return `${lines.join('\n')}\n`;
}
