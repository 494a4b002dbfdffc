import { randomBytes } from 'node:crypto';
import { openClientCredentials } from '../delivery/client-credentials.ts';
import { checkProxy, DATABASE_FORMS } from '../delivery/open-sink.ts';
import { checkSpoolDir } from '../delivery/spool/spool.ts';
import { openKubernetesClient } from '../kubernetes/client.ts';
import { systemClock } from '../runtime/clock.ts';
import { runDry } from '../volunteer/dry-run.ts';
import type { VolunteerConfig } from '../volunteer/run.ts';
import { startVolunteer } from '../volunteer/volunteer.ts';
import { createCommand, errorsOf, waitFor } from './command.ts';
import { type FlagsFor, group } from './flags.ts';
import { CLUSTER_ID_FLAG, GATHER_FLAGS, validateGathering } from './gather-flags.ts';
import { CREDENTIALS_FLAGS, DATABASE_FLAG, KUBERNETES_FLAGS } from './shared-flags.ts';
import { BYTES, DIRECTORY, DURATION, PORT, SWITCH, TIMEOUT } from './values.ts';
import { PROGRAM_VERSION } from './version.ts';

export const VOLUNTEER_FLAGS = {
  ...group('Report', {
    clusterId: CLUSTER_ID_FLAG,
    periodMs: {
      name: 'period',
      ...DURATION,
      default: '24h',
      help: 'Time between two reports. 0 sends one report and exits, with code 1 if it was not stored.',
    },
    initialDelayMs: {
      name: 'initial-delay',
      ...DURATION,
      default: '1m',
      help: 'Maximum delay of the first report. The delay is random so that many clusters do not report at once; --period 0 has none.',
    },
    dryRun: {
      name: 'dry-run',
      ...SWITCH,
      help: 'Print the report that would be sent with these flags, with its identifiers, and exit. Connects only to the Kubernetes API.',
    },
  }),
  ...GATHER_FLAGS,
  ...group('Delivery', {
    database: DATABASE_FLAG,
    timeoutMs: {
      name: 'timeout',
      ...TIMEOUT,
      default: '1m',
      help: 'Maximum duration of one delivery attempt. Attempts are repeated until one succeeds; with --period 0, all attempts together have this time.',
    },
    spoolDir: {
      name: 'spool-dir',
      ...DIRECTORY,
      help: 'Directory for reports that are not stored yet, and for rejected ones. By default, reports are kept in memory.',
    },
    spoolBytes: {
      name: 'spool-size',
      ...BYTES,
      default: '16Mi',
      help: 'Maximum size of all reports that wait for delivery. When it is exceeded, the oldest reports are dropped.',
    },
  }),
  ...CREDENTIALS_FLAGS,
  ...KUBERNETES_FLAGS,
  ...group('Health', {
    healthPort: {
      name: 'health-port',
      ...PORT,
      help: 'Serve /livez, /readyz, /metrics and /status on this port; 0 selects any free port. By default, they are not served.',
    },
  }),
} satisfies FlagsFor<VolunteerConfig>;

export const volunteerCommand = createCommand({
  name: 'volunteer',
  description:
    'Reads the version and the nodes of a Kubernetes cluster, and reports them periodically or once. Prints the reports unless --database ' +
    'is given. Uses the service account in a pod, and the kubeconfig elsewhere.',
  databases: DATABASE_FORMS,
  flags: VOLUNTEER_FLAGS,
  async validate(values, env) {
    const { database, spoolDir, serviceAccountDir } = values;
    return [
      ...(await errorsOf(
        database !== undefined && (() => checkProxy(database, env)),
        database !== undefined && (() => openClientCredentials(values, database.spec)),
        !values.dryRun && spoolDir !== undefined && (() => checkSpoolDir(spoolDir)),
      )),
      ...(await validateGathering(values)),
      ...(await errorsOf(async () => (await openKubernetesClient(values, { env, serviceAccountDir })).close())),
    ];
  },
  async run(values, { logger, stdout, env, stop }) {
    const { serviceAccountDir } = values;
    const system = { version: PROGRAM_VERSION, clock: systemClock, randomBytes };
    const options = { ...system, logger, stdout, env, serviceAccountDir };
    if (values.dryRun) return (await runDry(values, options)).status === 'failed' ? 1 : 0;
    return waitFor(await startVolunteer(values, options), stop);
  },
});
