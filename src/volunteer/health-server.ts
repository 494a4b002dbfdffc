import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { FATES, type Ledger } from '../delivery/counters.ts';
import type { SpoolSize } from '../delivery/spool/spool.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';

export interface VolunteerHealthOptions {
  /** 0 takes any free one. */
  readonly port: number;
  /** Whether the loops go on. */
  readonly isLive: () => boolean;
  /** Whether the last gathering worked. */
  readonly isReady: () => boolean;
  readonly ledger: Ledger;
  readonly spoolSize: () => SpoolSize;
}

export interface VolunteerHealth {
  readonly port: number;
  close(): Promise<void>;
}

const TEXT = 'text/plain; charset=utf-8';
/** https://prometheus.io/docs/instrumenting/exposition_formats/ */
const METRICS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * The volunteer's health for a kubelet and for Prometheus, on all addresses: GET /livez (200 while its loops tick in time, else 503),
 * GET /readyz (200 where the last gathering worked, else 503), GET /metrics. Nothing of a report is in it.
 *
 * Rejects with a SpartakusError `invalid` where the port cannot be had.
 */
export async function openVolunteerHealth(options: VolunteerHealthOptions): Promise<VolunteerHealth> {
  const { port, isLive, isReady } = options;
  const answers: Readonly<Record<string, () => Answer>> = {
    '/livez': () =>
      isLive() ? { status: 200, body: 'ok\n' } : { status: 503, body: 'a loop has not been heard of in time\n' },
    '/readyz': () =>
      isReady()
        ? { status: 200, body: 'ok\n' }
        : { status: 503, body: 'the last gathering did not work, or there was none yet\n' },
    '/metrics': () => ({ status: 200, body: metricsOf(options), type: METRICS_TEXT }),
  };
  const server = http.createServer((request, response) => {
    request.resume();
    const answer = answers[(request.url ?? '').split('?', 1)[0] ?? ''];
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const { status, body, type = TEXT } = answer === undefined ? NOT_FOUND : isRead ? answer() : NOT_ALLOWED;
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  });
  try {
    server.listen(port);
    await once(server, 'listening');
  } catch (error) {
    throw new SpartakusError('invalid', `--health-port ${port}: cannot be listened on (${messageOf(error)}).`, {
      field: '--health-port',
    });
  }
  // A port is there to answer questions, not to keep a program alive that has ended.
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

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

const NOT_FOUND: Answer = { status: 404, body: 'there are /livez, /readyz and /metrics\n' };
const NOT_ALLOWED: Answer = { status: 405, body: 'this is for GET and HEAD\n' };

const FATE_HELP: Readonly<Record<(typeof FATES)[number], string>> = {
  made: 'Reports that were made.',
  stored: 'Reports that the collector has stored.',
  refused: 'Reports that the collector will never take.',
  dropped: 'Reports that were dropped because the spool was full.',
  damaged: 'Reports that were found damaged in the spool.',
};

function metricsOf({ ledger, spoolSize }: VolunteerHealthOptions): string {
  const { reports, bytes, inMemory } = spoolSize();
  const lastSuccess = ledger.lastSuccess();
  const metric = (name: string, type: 'gauge' | 'counter', help: string, samples: readonly string[]): string =>
    [
      `# HELP spartakus_volunteer_${name} ${help}`,
      `# TYPE spartakus_volunteer_${name} ${type}`,
      ...samples.map((each) => `spartakus_volunteer_${name}${each}`),
      '',
    ].join('\n');
  return [
    metric(
      'last_success_timestamp_seconds',
      'gauge',
      'When the collector last stored a report; 0 where it has not yet in this run.',
      [` ${(lastSuccess?.getTime() ?? 0) / 1000}`],
    ),
    metric('spool_reports', 'gauge', 'Reports that wait to be stored.', [` ${reports}`]),
    metric('spool_memory_reports', 'gauge', 'Reports that wait in memory only.', [` ${inMemory}`]),
    metric('spool_bytes', 'gauge', 'Bytes of the reports that wait.', [` ${bytes}`]),
    ...FATES.map((fate) => metric(`reports_${fate}_total`, 'counter', FATE_HELP[fate], [` ${ledger.count(fate)}`])),
    metric(
      'failures_total',
      'counter',
      'What failed, by what was being done and by cause.',
      ledger.failures().map(({ during, cause, count }) => `{during="${during}",cause="${cause}"} ${count}`),
    ),
  ].join('');
}
