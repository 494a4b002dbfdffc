import { randomBytes } from 'node:crypto';
import { type AgentConfig, startAgent } from '../kubermatic/agent.ts';
import { OPTIONAL_LISTS } from '../kubermatic/gather/gather-kubermatic.ts';
import { RECORD_ID_SCOPE, RECORD_ID_SECRET } from '../kubermatic/gather/record.ts';
import { openKubernetesClient } from '../kubernetes/client.ts';
import { systemClock } from '../runtime/clock.ts';
import { readKeyFile } from '../volunteer/gather/id-key-file.ts';
import { createCommand, errorsOf, type RunOptions, waitFor } from './command.ts';
import { type FlagsFor, group, type PartialValues } from './flags.ts';
import {
  AGREE_FLAG,
  EXACT_QUANTITIES_FLAG,
  ID_KEY_FLAGS,
  KUBERNETES_FLAGS,
  RECORD_DIR_FLAG,
  validateIdKey,
} from './shared-flags.ts';
import { parseChoice, SWITCH } from './values.ts';

const FLAGS = {
  ...group('Record', { recordDir: RECORD_DIR_FLAG }),
  ...group('Privacy', {
    agree: AGREE_FLAG,
    uuid: {
      name: 'uuid',
      placeholder: 'hmac|md5',
      default: 'hmac',
      help: "Compute identifiers with this function: hmac uses a secret key; md5 is that of Kubermatic's own agents, and its identifiers can be guessed.",
      parse: (text) => parseChoice(text, ['hmac', 'md5'] as const),
    },
    ...ID_KEY_FLAGS,
    idSecret: { ...ID_KEY_FLAGS.idSecret, default: RECORD_ID_SECRET },
    idScope: {
      ...ID_KEY_FLAGS.idScope,
      default: RECORD_ID_SCOPE,
      help: 'Make identifiers for this recipient: they cannot be joined with those of another scope. Agents of one installation need the same scope.',
    },
  }),
  ...KUBERNETES_FLAGS,
} satisfies FlagsFor<Omit<AgentConfig, 'kind' | 'machineDeployments' | 'exactQuantities' | 'collect' | 'country'>>;

export const kubernetesAgentCommand = createCommand({
  name: 'agent kubernetes',
  description:
    'Reads the version and the nodes of a Kubernetes cluster, and writes them as one record file, completely or not at all. Sends nothing.',
  flags: { ...FLAGS, ...group('Privacy', { exactQuantities: EXACT_QUANTITIES_FLAG }) },
  validate,
  run: (values, options) =>
    runAgent(
      { kind: 'kubernetes', machineDeployments: false, country: false, ...values },
      values.serviceAccountDir,
      options,
    ),
});

export const kubermaticAgentCommand = createCommand({
  name: 'agent kubermatic',
  description:
    'Reads the seeds and user clusters of a Kubermatic installation, counts its projects, users and SSH keys, and writes them anonymously ' +
    'as one record file, completely or not at all. Runs in the master cluster. Sends nothing.',
  flags: {
    ...FLAGS,
    ...group('Contents', {
      collect: {
        name: 'collect',
        placeholder: 'NAMES',
        completes: { list: OPTIONAL_LISTS },
        help: `Also record these lists, with an identifier for each entry: a comma-separated list of ${OPTIONAL_LISTS.join(', ')}. By default, only their counts.`,
        parse: (text) => text.split(',').map((name) => parseChoice(name.trim(), OPTIONAL_LISTS)),
      },
      country: {
        name: 'country',
        ...SWITCH,
        help: 'Also record the countries of seeds and datacenters: codes of ISO 3166-1 alpha-2.',
      },
      machineDeployments: {
        name: 'machine-deployments',
        ...SWITCH,
        help: 'Also read the machine deployments of each user cluster, with the kubeconfig that its seed stores for it.',
      },
    }),
  },
  validate,
  run: (values, options) => runAgent({ kind: 'kubermatic', ...values }, values.serviceAccountDir, options),
});

async function validate(values: PartialValues<typeof FLAGS>, env: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const { idKeyFile, serviceAccountDir } = values;
  return [
    ...validateIdKey(values),
    ...(await errorsOf(idKeyFile !== undefined && (() => readKeyFile(idKeyFile)), async () =>
      (await openKubernetesClient(values, { env, serviceAccountDir })).close(),
    )),
  ];
}

async function runAgent(config: AgentConfig, serviceAccountDir: string, options: RunOptions): Promise<number> {
  const { logger, env, stop } = options;
  return waitFor(await startAgent(config, { clock: systemClock, randomBytes, logger, env, serviceAccountDir }), stop);
}
