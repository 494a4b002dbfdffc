import { randomBytes } from 'node:crypto';

import { systemClock } from '../clock.ts';
import { openAccess } from '../deliver/access.ts';
import type { AccessConfig } from '../deliver/access.ts';
import { checkDatabase, checkProxy, DATABASE_FORMS } from '../deliver/open.ts';
import { checkSpoolDir } from '../deliver/spool.ts';
import { readExtensions } from '../gather/extensions.ts';
import { SERVICE_ACCOUNT_DIR } from '../gather/in-cluster.ts';
import { type KubeConfig, openKubeClient } from '../gather/kube.ts';
import { messageOf } from '../report/errors.ts';
import { startVolunteer } from '../volunteer.ts';
import { createCommand, programVersion } from './command.ts';
import { createLogger } from './logger.ts';
import { parseBytes, parseDurationMs, parsePort, parseSwitch, parseText, parseTimeoutMs } from './values.ts';

/** `spartakus volunteer`: reads the Kubernetes API, and reports. */
export const volunteerCommand = createCommand({
  name: 'volunteer',
  summary:
    'Reads the version and the nodes of a cluster, and reports them: every period, or once. Prints the report unless --database\n' +
    'says where to send it. In a pod it uses the service account, elsewhere the kubeconfig.',
  databases: DATABASE_FORMS,
  flags: {
    'cluster-id': {
      placeholder: 'TEXT',
      required: 'a text that is stable for the life of the cluster and says nothing of it, such as a random UUID',
      help: 'What tells this cluster from others; a random UUID is recommended.',
      parse: parseText,
    },
    period: {
      placeholder: 'DURATION',
      default: '24h',
      help: 'How long to wait between two reports; 0 makes one report and exits, with code 1 where it was not stored.',
      parse: parseDurationMs,
    },
    database: {
      placeholder: 'SPEC',
      default: 'stdout',
      help: 'Where the report goes; --print-databases lists the forms.',
      parse: (spec) => {
        checkDatabase(spec);
        return spec;
      },
    },
    extensions: {
      placeholder: 'PATH',
      help: 'A file of JSON key-value pairs to report too, or a folder of them. Read anew for each report.',
      parse: parseText,
    },
    kubeconfig: { placeholder: 'FILE', help: "The kubeconfig to use (default: the pod's service account, $KUBECONFIG, ~/.kube/config).", parse: parseText },
    context: { placeholder: 'NAME', help: "The kubeconfig's context to use (default: its current one).", parse: parseText },
    'service-account-dir': {
      placeholder: 'DIR',
      default: SERVICE_ACCOUNT_DIR,
      help: "Where the pod's service account is mounted.",
      parse: parseText,
    },
    'ca-file': {
      placeholder: 'FILE',
      help: "The CAs that the collector's certificate is checked against, as PEM (default: the system's).",
      parse: parseText,
    },
    'cert-file': { placeholder: 'FILE', help: 'The certificate to show the collector, with its chain, as PEM; with --key-file.', parse: parseText },
    'key-file': { placeholder: 'FILE', help: 'The key of --cert-file, as PEM.', parse: parseText },
    'token-file': {
      placeholder: 'FILE',
      help: 'A bearer token for the collector, read anew for each delivery; sent over TLS only, or to this machine itself.',
      parse: parseText,
    },
    'initial-delay': {
      placeholder: 'DURATION',
      default: '1m',
      help: 'The first report waits a random part of it, so that many clusters do not report at once. A one-shot does not wait.',
      parse: parseDurationMs,
    },
    timeout: {
      placeholder: 'DURATION',
      default: '1m',
      help: 'How long an attempt to deliver may take. It is tried again until it works; a one-shot tries no longer than that in all.',
      parse: parseTimeoutMs,
    },
    'spool-dir': {
      placeholder: 'DIR',
      help: 'Where reports wait until the collector has stored them; refused ones are set aside there (default: in memory).',
      parse: parseText,
    },
    'spool-size': {
      placeholder: 'BYTES',
      default: '16Mi',
      help: 'How much may wait; beyond it the oldest reports are dropped.',
      parse: parseBytes,
    },
    'health-port': {
      placeholder: 'PORT',
      help: 'Serves /livez, /readyz and /metrics on this port, 0 for any free one (default: not at all).',
      parse: parsePort,
    },
    verbose: { default: 'false', help: 'Logs more.', parse: parseSwitch },
  },
  async check(values, { env }) {
    const { extensions, 'service-account-dir': serviceAccountDir = SERVICE_ACCOUNT_DIR } = values;
    const openAndClose = async (): Promise<void> => (await openKubeClient(pickKubeConfig(values), { env, serviceAccountDir })).close();
    const { database = 'stdout', 'spool-dir': spoolDir } = values;
    return [
      ...(await errorOf(() => checkProxy(database, env))),
      ...(await errorOf(() => openAccess(pickAccess(values), database))),
      ...(spoolDir === undefined ? [] : await errorOf(() => checkSpoolDir(spoolDir))),
      ...(extensions === undefined ? [] : await errorOf(() => readExtensions(extensions))),
      ...(await errorOf(openAndClose)),
    ];
  },
  async execute(values, io) {
    const volunteer = await startVolunteer(
      {
        clusterId: values['cluster-id'],
        periodMs: values.period,
        database: values.database,
        ...(values.extensions === undefined ? {} : { extensions: values.extensions }),
        ...pickKubeConfig(values),
        ...pickAccess(values),
        ...(values['spool-dir'] === undefined ? {} : { spoolDir: values['spool-dir'] }),
        spoolBytes: values['spool-size'],
        initialDelayMs: values['initial-delay'],
        timeoutMs: values.timeout,
        ...(values['health-port'] === undefined ? {} : { healthPort: values['health-port'] }),
      },
      {
        version: `v${programVersion()}`,
        clock: systemClock,
        randomBytes,
        logger: createLogger(io, values.verbose),
        stdout: io.stdout,
        env: io.env,
        serviceAccountDir: values['service-account-dir'],
      },
    );
    io.stop.addEventListener('abort', () => void volunteer.close(), { once: true });
    const { status } = await volunteer.done;
    return status === 'failed' ? 1 : 0;
  },
});

/** The flags that say which cluster, where they are given. */
function pickKubeConfig({ kubeconfig, context }: { kubeconfig?: string | undefined; context?: string | undefined }): KubeConfig {
  return { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) };
}

type AccessFlag = 'ca-file' | 'cert-file' | 'key-file' | 'token-file';

/** The flags of certificates and token, where they are given. */
function pickAccess(values: Partial<Readonly<Record<AccessFlag, string | undefined>>>): AccessConfig {
  const { 'ca-file': caFile, 'cert-file': certFile, 'key-file': keyFile, 'token-file': tokenFile } = values;
  return {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(tokenFile === undefined ? {} : { tokenFile }),
  };
}

async function errorOf(attempt: () => unknown): Promise<readonly string[]> {
  try {
    await attempt();
    return [];
  } catch (error) {
    return [messageOf(error)];
  }
}
