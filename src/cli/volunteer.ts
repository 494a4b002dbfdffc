import { randomBytes } from 'node:crypto';
import { openClientCredentials } from '../delivery/client-credentials.ts';
import { checkProxy, DATABASE_FORMS } from '../delivery/open-sink.ts';
import { checkSpoolDir } from '../delivery/spool/spool.ts';
import { openKubeClient } from '../kubernetes/client.ts';
import { SERVICE_ACCOUNT_DIR } from '../kubernetes/in-cluster.ts';
import { systemClock } from '../runtime/clock.ts';
import { startVolunteer } from '../volunteer/volunteer.ts';
import { ACCESS_FLAGS, DATABASE_FLAG, pickAccess } from './access-flags.ts';
import { CLUSTER_FLAGS, pickKubeConfig } from './cluster-flags.ts';
import { createCommand, programVersion } from './command.ts';
import { checkGatherFlags, CLUSTER_ID_HELP, errorsOf, GATHER_FLAGS, gatherConfig } from './gather-flags.ts';
import { createLogger, VERBOSE_FLAG } from './logger.ts';
import { parseBytes, parseDurationMs, parsePort, parseText, parseTimeoutMs } from './values.ts';

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
      required:
        'a text that is stable for the life of the cluster and says nothing of it, such as a random UUID; or "auto"',
      help: CLUSTER_ID_HELP,
      parse: parseText,
    },
    period: {
      placeholder: 'DURATION',
      default: '24h',
      help: 'How long to wait between two reports; 0 makes one report and exits, with code 1 where it was not stored.',
      parse: parseDurationMs,
    },
    database: DATABASE_FLAG,
    ...GATHER_FLAGS,
    ...CLUSTER_FLAGS,
    ...ACCESS_FLAGS,
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
    verbose: VERBOSE_FLAG,
  },
  async check(values, { env }) {
    const { 'service-account-dir': serviceAccountDir = SERVICE_ACCOUNT_DIR } = values;
    const openAndClose = async (): Promise<void> =>
      (await openKubeClient(pickKubeConfig(values), { env, serviceAccountDir })).close();
    const { database = 'stdout', 'spool-dir': spoolDir } = values;
    return [
      ...(await errorsOf(() => checkProxy(database, env))),
      ...(await errorsOf(() => openClientCredentials(pickAccess(values), database))),
      ...(spoolDir === undefined ? [] : await errorsOf(() => checkSpoolDir(spoolDir))),
      ...(await checkGatherFlags(values)),
      ...(await errorsOf(openAndClose)),
    ];
  },
  async execute(values, io) {
    const logger = createLogger(io, values.verbose);
    const volunteer = await startVolunteer(
      {
        ...(await gatherConfig(values, { keep: true, logger })),
        periodMs: values.period,
        database: values.database,
        ...pickKubeConfig(values),
        ...pickAccess(values),
        spoolDir: values['spool-dir'],
        spoolBytes: values['spool-size'],
        initialDelayMs: values['initial-delay'],
        timeoutMs: values.timeout,
        healthPort: values['health-port'],
      },
      {
        version: `v${programVersion()}`,
        clock: systemClock,
        randomBytes,
        logger,
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
