import { COMMAND_LIST, type CommandName } from '../../src/cli/command-list.ts';
import { listFlags, parseFlags, variablesOf } from '../../src/cli/flags.ts';
import { loadCommand } from '../../src/cli/program.ts';
import {
  at,
  type Container,
  containersOf,
  type EnvVar,
  listWorkloads,
  type Manifest,
  nameOf,
  type PodSpec,
  type Workload,
} from './manifests.ts';

const IMAGE = /(?:^|\/)spartakus(?:[:@]|$)/;
/** Mounted by the kubelet into a container whose pod has a token. */
const TOKEN_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';

const isOurs = ({ image }: Container): boolean => IMAGE.test(image);

/** How a manifest starts the program. */
export interface Start {
  readonly command: string;
  /** The arguments after the command. */
  readonly argv: readonly string[];
  /** Without the variables that come from Secrets or from fields of the pod: their value is not in the manifests. */
  readonly env: Readonly<Record<string, string>>;
  /** The variables that are left out of `env`. */
  readonly unknownVariables: readonly string[];
  /** The text of each flag by its name, from the arguments, variables and defaults. */
  readonly texts: ReadonlyMap<string, string>;
  readonly problems: readonly string[];
}

/**
 * The command, flags and variables of a container of this project's image, as kubelet and program read them. The problems are unknown
 * commands, flags and variables, invalid values, and references to ConfigMaps or keys that the manifests do not have.
 */
export async function readStart(container: Container, manifests: readonly Manifest[]): Promise<Start> {
  const problems: string[] = [];
  const env: Record<string, string> = {};
  const unknownVariables: string[] = [];
  const dataOf = (name: string) =>
    manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)?.data;
  for (const { configMapRef } of container.envFrom ?? []) {
    if (configMapRef === undefined) continue;
    const data = dataOf(configMapRef.name);
    if (data === undefined) problems.push(`there is no ConfigMap ${configMapRef.name}`);
    Object.assign(env, data);
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(variable, dataOf, problems);
    if (value === undefined) unknownVariables.push(variable.name);
    else env[variable.name] = value;
  }
  const args = (container.args ?? []).map((arg) =>
    arg.replaceAll(/\$\(([A-Za-z_]\w*)\)/g, (text, name: string) => {
      if (env[name] === undefined && !unknownVariables.includes(name)) problems.push(`${text} is not expanded`);
      return env[name] ?? text;
    }),
  );
  const name = [args.slice(0, 2).join(' '), args[0]].find((text) => COMMAND_LIST.some((entry) => entry.name === text));
  if (name === undefined) {
    const message = `spartakus has no command ${JSON.stringify(args.slice(0, 2))}`;
    return { command: '', argv: args, env, unknownVariables, texts: new Map(), problems: [...problems, message] };
  }
  const argv = args.slice(name.split(' ').length);
  const { flags } = await loadCommand(name as CommandName);
  const all = listFlags(flags);
  const known = all.flatMap(variablesOf);
  for (const variable of [...Object.keys(env), ...unknownVariables])
    if (variable.startsWith('SPARTAKUS_') && !known.includes(variable))
      problems.push(`spartakus ${name} has no variable ${variable}`);
  // A required flag may come from a variable whose value is not in the manifests.
  const isUnknown = (message: string) =>
    all.some(
      (flag) =>
        message.startsWith(`--${flag.name} is required`) &&
        variablesOf(flag).some((variable) => unknownVariables.includes(variable)),
    );
  problems.push(...parseFlags(flags, argv, env).errors.filter((message) => !isUnknown(message)));
  const texts = new Map<string, string>();
  for (const flag of all) {
    const text =
      [...argv]
        .toReversed()
        .find((arg) => arg.startsWith(`--${flag.name}=`))
        ?.slice(flag.name.length + 3) ??
      (argv.includes(`--${flag.name}`) ? argv[argv.indexOf(`--${flag.name}`) + 1] : undefined) ??
      variablesOf(flag)
        .map((variable) => env[variable])
        .find((value) => value !== undefined && value !== '') ??
      flag.default;
    if (text !== undefined) texts.set(flag.name, text);
  }
  return { command: name, argv, env, unknownVariables, texts, problems };
}

function valueOf(
  { name, value, valueFrom }: EnvVar,
  dataOf: (name: string) => Readonly<Record<string, string>> | undefined,
  problems: string[],
): string | undefined {
  const reference = valueFrom?.configMapKeyRef;
  if (reference === undefined) return valueFrom === undefined ? (value ?? '') : undefined;
  const found = dataOf(reference.name)?.[reference.key];
  if (found === undefined && reference.optional !== true)
    problems.push(`${name}: there is no key ${reference.key} in a ConfigMap ${reference.name}`);
  return found;
}

/**
 * What is wrong with the pods of manifests: names that the program does not have, files outside of mounted volumes, ports on which nothing
 * listens, and what the level "restricted" of the Pod Security Standards forbids
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted) and some more.
 */
export async function listPodProblems(manifests: readonly Manifest[]): Promise<readonly string[]> {
  const problems = await Promise.all(
    listWorkloads(manifests).map(async (workload) => [
      ...listSecurityProblems(workload).map((text) => `${nameOf(workload.manifest)}: ${text}`),
      ...(
        await Promise.all(
          containersOf(workload.pod).map(async (container) =>
            (await listContainerProblems(container, workload.pod, manifests)).map(
              (text) => `${nameOf(workload.manifest)}, container ${container.name}: ${text}`,
            ),
          ),
        )
      ).flat(),
    ]),
  );
  return problems.flat();
}

function listSecurityProblems({ pod }: Workload): readonly string[] {
  const forbidden = ['hostNetwork', 'hostPID', 'hostIPC'].filter((field) => pod[field] === true);
  const volumes = (pod.volumes ?? []).filter((volume) => 'hostPath' in volume);
  return [
    ...forbidden.map((field) => `${field} is true`),
    ...volumes.map(({ name }) => `the volume ${name} is of the host`),
    ...(pod.enableServiceLinks === false ? [] : ['enableServiceLinks is not false']),
    ...(pod.securityContext?.['runAsNonRoot'] === true ? [] : ['runAsNonRoot is not true']),
    ...(at(pod.securityContext, 'seccompProfile', 'type') === 'RuntimeDefault'
      ? []
      : ['seccompProfile is not RuntimeDefault']),
    ...(pod.automountServiceAccountToken === undefined ? ['automountServiceAccountToken is not set'] : []),
  ];
}

async function listContainerProblems(
  container: Container,
  pod: PodSpec,
  manifests: readonly Manifest[],
): Promise<readonly string[]> {
  const context = container.securityContext ?? {};
  const mounts = (container.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  const volumes = (pod.volumes ?? []).map(({ name }) => name);
  const problems = [
    ...(context['allowPrivilegeEscalation'] === false ? [] : ['allowPrivilegeEscalation is not false']),
    ...(context['readOnlyRootFilesystem'] === true ? [] : ['readOnlyRootFilesystem is not true']),
    ...(JSON.stringify(at(context, 'capabilities', 'drop')) === '["ALL"]' ? [] : ['not all capabilities are dropped']),
    ...(at(context, 'capabilities', 'add') === undefined ? [] : ['capabilities are added']),
    ...(context['runAsUser'] === 0 || pod.securityContext?.['runAsUser'] === 0 ? ['it runs as root'] : []),
    ...(container.resources?.requests?.['cpu'] === undefined ? ['it requests no CPU'] : []),
    ...(container.resources?.limits?.['memory'] === undefined ? ['it has no memory limit'] : []),
    ...(container.volumeMounts ?? [])
      .filter(({ name }) => !volumes.includes(name) && !hasClaimTemplate(manifests, name))
      .map(({ name }) => `there is no volume ${name}`),
  ];
  if (!isOurs(container)) return problems;
  const start = await readStart(container, manifests);
  const files = [...start.texts.values()].map((text) => text.replace(/^(?:embedded|file):/, ''));
  const isMounted = (file: string) =>
    [...mounts, TOKEN_DIRECTORY].some((path) => file === path || file.startsWith(`${path}/`));
  const ports = listPorts(start);
  return [
    ...problems,
    ...start.problems,
    ...(container.command === undefined ? [] : ['it replaces the entry point of the image']),
    ...files
      .filter((file) => file.startsWith('/') && !isMounted(file))
      .map((file) => `${file} is in no mounted volume`),
    ...(container.ports ?? [])
      .filter(({ containerPort }) => !ports.includes(containerPort))
      .map(({ containerPort }) => `nothing listens on port ${containerPort}`),
    ...listProbeProblems(container),
  ];
}

function hasClaimTemplate(manifests: readonly Manifest[], name: string): boolean {
  return manifests.some(({ spec }) =>
    ((at(spec, 'volumeClaimTemplates') ?? []) as readonly Manifest[]).some(({ metadata }) => metadata.name === name),
  );
}

/** The ports of `PORT` and `ADDRESS:PORT` flags of a started program. */
function listPorts({ texts }: Start): readonly number[] {
  return [...texts]
    .filter(([name]) => /(?:^|-)(?:port|listen)$/.test(name))
    .map(([, text]) => Number(/\d+$/.exec(text)?.[0]))
    .filter((port) => port > 0);
}

function listProbeProblems(container: Container): readonly string[] {
  const ports = container.ports ?? [];
  const has = (port: number | string) =>
    ports.some(({ name, containerPort }) => port === name || port === containerPort);
  return (['livenessProbe', 'readinessProbe', 'startupProbe'] as const).flatMap((name) => {
    const probe = container[name];
    const port = probe?.httpGet?.port ?? probe?.grpc?.port;
    return port === undefined || has(port) ? [] : [`${name}: the container has no port ${port}`];
  });
}

/** References between manifests that lead nowhere: selectors that match no pod, roles, accounts, targets and ports that do not exist. */
export function listReferenceProblems(manifests: readonly Manifest[]): readonly string[] {
  const workloads = listWorkloads(manifests);
  const has = (kind: unknown, name: unknown) =>
    manifests.some((manifest) => manifest.kind === kind && manifest.metadata.name === name);
  const select = (selector: unknown): readonly Workload[] =>
    workloads.filter(({ labels }) =>
      Object.entries((selector ?? {}) as Readonly<Record<string, string>>).every(
        ([name, value]) => labels[name] === value,
      ),
    );
  const problemsOf = (manifest: Manifest): readonly string[] => {
    const { kind, spec } = manifest;
    switch (kind) {
      case 'Deployment':
      case 'StatefulSet':
      case 'PodDisruptionBudget':
      case 'NetworkPolicy': {
        const selector = at(spec, kind === 'NetworkPolicy' ? 'podSelector' : 'selector', 'matchLabels');
        const found = select(selector);
        const own = found.some((workload) => workload.manifest === manifest);
        if (found.length === 0) return ['its selector matches no pod'];
        return kind === 'NetworkPolicy' || kind === 'PodDisruptionBudget' || own
          ? []
          : ['its selector does not match its pods'];
      }
      case 'Service': {
        const found = select(at(spec, 'selector')).flatMap(({ pod }) =>
          pod.containers.flatMap(({ ports }) => ports ?? []),
        );
        const ports = (at(spec, 'ports') ?? []) as readonly { port: number; targetPort?: number | string }[];
        return ports
          .map(({ port, targetPort = port }) => targetPort)
          .filter((target) => !found.some(({ name, containerPort }) => target === name || target === containerPort))
          .map((target) => `no selected pod has the port ${target}`);
      }
      case 'HorizontalPodAutoscaler': {
        const target = at(spec, 'scaleTargetRef');
        return has(at(target, 'kind'), at(target, 'name')) ? [] : ['its target does not exist'];
      }
      case 'RoleBinding':
      case 'ClusterRoleBinding': {
        const subjects = (manifest['subjects'] ?? []) as readonly { kind: string; name: string; namespace?: string }[];
        return [
          ...(has(at(manifest['roleRef'], 'kind'), at(manifest['roleRef'], 'name')) ? [] : ['its role does not exist']),
          ...subjects
            .filter(({ kind: type, name }) => !has(type, name))
            .map(({ name }) => `there is no account ${name}`),
          ...(subjects.length === 0 ? ['it has no subjects'] : []),
        ];
      }
      default:
        return [];
    }
  };
  const accounts = workloads.flatMap(({ manifest, pod: { serviceAccountName: name } }) =>
    name === undefined || has('ServiceAccount', name)
      ? []
      : [`${nameOf(manifest)}: there is no ServiceAccount ${name}`],
  );
  return [
    ...manifests.flatMap((manifest) => problemsOf(manifest).map((text) => `${nameOf(manifest)}: ${text}`)),
    ...accounts,
  ];
}
