import { randomBytes } from 'node:crypto';

import { systemClock } from '../clock.ts';
import { checkDatabase, DATABASE_FORMS } from '../deliver/open.ts';
import { SERVICE_ACCOUNT_DIR } from '../gather/in-cluster.ts';
import { type KubeConfig, openKubeClient } from '../gather/kube.ts';
import { startVolunteer } from '../volunteer.ts';
import { createCommand, programVersion } from './command.ts';
import { checkGatherFlags, CLUSTER_ID_HELP, errorsOf, GATHER_FLAGS, gatherConfig } from './gather-flags.ts';
import { createLogger } from './logger.ts';
import { parseDurationMs, parseSwitch, parseText } from './values.ts';

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
      required: 'a text that is stable for the life of the cluster and says nothing of it, such as a random UUID; or "auto"',
      help: CLUSTER_ID_HELP,
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
    ...GATHER_FLAGS,
    kubeconfig: { placeholder: 'FILE', help: "The kubeconfig to use (default: the pod's service account, $KUBECONFIG, ~/.kube/config).", parse: parseText },
    context: { placeholder: 'NAME', help: "The kubeconfig's context to use (default: its current one).", parse: parseText },
    'service-account-dir': {
      placeholder: 'DIR',
      default: SERVICE_ACCOUNT_DIR,
      help: "Where the pod's service account is mounted.",
      parse: parseText,
    },
    verbose: { default: 'false', help: 'Logs more.', parse: parseSwitch },
  },
  async check(values, { env }) {
    const { 'service-account-dir': serviceAccountDir = SERVICE_ACCOUNT_DIR } = values;
    const openAndClose = async (): Promise<void> => (await openKubeClient(pickKubeConfig(values), { env, serviceAccountDir })).close();
    return [...(await checkGatherFlags(values)), ...(await errorsOf(openAndClose))];
  },
  async execute(values, io) {
    const logger = createLogger(io, values.verbose);
    const volunteer = await startVolunteer(
      {
        ...(await gatherConfig(values, { keep: true, logger })),
        periodMs: values.period,
        database: values.database,
        ...pickKubeConfig(values),
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

/** The flags that say which cluster, where they are given. */
function pickKubeConfig({ kubeconfig, context }: { kubeconfig?: string | undefined; context?: string | undefined }): KubeConfig {
  return { ...(kubeconfig === undefined ? {} : { kubeconfig }), ...(context === undefined ? {} : { context }) };
}
