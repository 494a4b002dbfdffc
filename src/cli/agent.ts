import { randomBytes } from 'node:crypto';
import { type AgentConfig, startAgent } from '../kubermatic/agent.ts';
import { openKubernetesClient } from '../kubernetes/client.ts';
import { systemClock } from '../runtime/clock.ts';
import { readKeyFile } from '../volunteer/gather/id-key.ts';
import { CLUSTER_FLAGS, pickKubeConfig } from './cluster-flags.ts';
import { createCommand, type Io } from './command.ts';
import type { FlagValues } from './flags.ts';
import { errorsOf } from './gather-flags.ts';
import { createLogger, VERBOSE_FLAG } from './logger.ts';
import { RECORD_DIR_FLAG } from './record-flags.ts';
import { parseChoice, parseSwitch, parseText } from './values.ts';

const FLAGS = {
  'record-dir': RECORD_DIR_FLAG,
  uuid: {
    placeholder: 'KIND',
    default: 'hmac',
    help: "How ids are made: hmac, with a key, or md5, which are those of Kubermatic's own agents and can be guessed.",
    parse: (text: string) => parseChoice(text, ['hmac', 'md5'] as const),
  },
  'id-key-file': {
    placeholder: 'FILE',
    help: 'A file of 16 bytes or more that is the key of ids (default: the uid of the namespace kube-system).',
    parse: parseText,
  },
  ...CLUSTER_FLAGS,
  verbose: VERBOSE_FLAG,
} as const;

type Values = FlagValues<typeof FLAGS>;

/** `spartakus agent kubernetes`: a record of this cluster. */
export const kubernetesAgentCommand = createCommand({
  name: 'agent kubernetes',
  summary:
    'Reads the version and the nodes of a cluster, and writes them as one record file, whole or not at all. Sends nothing.',
  flags: FLAGS,
  check,
  execute: (values, io) => run({ kind: 'kubernetes', machineDeployments: false, ...pick(values) }, values, io),
});

/** `spartakus agent kubermatic`: a record of an installation of Kubermatic. */
export const kubermaticAgentCommand = createCommand({
  name: 'agent kubermatic',
  summary:
    'Reads the seeds, user clusters, projects, users and SSH keys of an installation of Kubermatic, and writes what may be known of them as one\n' +
    'record file, whole or not at all. Runs in the master cluster. Sends nothing.',
  flags: {
    ...FLAGS,
    'machine-deployments': {
      default: 'false',
      help: 'Asks each user cluster for its machines too, with the kubeconfig that its seed has for it.',
      parse: parseSwitch,
    },
  },
  check,
  execute: (values, io) =>
    run({ kind: 'kubermatic', machineDeployments: values['machine-deployments'], ...pick(values) }, values, io),
});

function pick(values: Values): Pick<AgentConfig, 'recordDir' | 'uuid' | 'idKeyFile' | 'kubeconfig' | 'context'> {
  const { 'record-dir': recordDir, uuid, 'id-key-file': idKeyFile } = values;
  return { recordDir, uuid, idKeyFile, ...pickKubeConfig(values) };
}

async function check(values: Partial<Values>, { env }: Io): Promise<readonly string[]> {
  const { 'id-key-file': idKeyFile, 'service-account-dir': serviceAccountDir } = values;
  const openAndClose = async (): Promise<void> =>
    (await openKubernetesClient(pickKubeConfig(values), { env, serviceAccountDir })).close();
  return [
    ...(idKeyFile === undefined ? [] : await errorsOf(() => readKeyFile(idKeyFile))),
    ...(await errorsOf(openAndClose)),
  ];
}

async function run(config: AgentConfig, values: Values, io: Io): Promise<number> {
  const agent = await startAgent(config, {
    clock: systemClock,
    randomBytes,
    logger: createLogger(io, values.verbose),
    env: io.env,
    serviceAccountDir: values['service-account-dir'],
  });
  io.stop.addEventListener('abort', () => void agent.close(), { once: true });
  const { status } = await agent.done;
  return status === 'written' ? 0 : 1;
}
