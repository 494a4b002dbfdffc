import { existsSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import path from 'node:path';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { ClusterCredentials, CredentialsLoader } from './credentials.ts';
import { pick } from './json.ts';

interface Files {
  readonly paths: readonly string[];
  /** The flag or variable with the files, for errors. */
  readonly label: string;
}

type Named = { readonly name: string };

/** The part of @kubernetes/client-node's KubeConfig that is used here. */
export interface Kubeconfig extends Record<'clusters' | 'users' | 'contexts', Named[]> {
  loadFromFile(file: string): void;
  /** Throws for duplicate names. */
  mergeConfig(other: Kubeconfig, preserveContext: boolean): void;
  getCluster(name: string): object | null;
  getUser(name: string): object | null;
  getContextObject(name: string): { readonly cluster: string; readonly user: string } | null;
  getCurrentCluster(): { readonly server: string; readonly proxyUrl?: string | undefined } | null;
  getCurrentContext(): string;
  setCurrentContext(context: string): void;
  /** Sets TLS options, headers and an agent, and runs exec plugins. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/**
 * The credentials of --kubeconfig, else of $KUBECONFIG (files are merged as by kubectl: the first entry of a name wins), else of
 * ~/.kube/config. Reads the files now and at each load. Throws a SpartakusError `invalid` that names the flag and contains nothing of them.
 */
export function kubeconfigCredentials(
  kubeconfig: string | undefined,
  context: string | undefined,
  env: NodeJS.ProcessEnv,
  create: () => Kubeconfig,
): CredentialsLoader {
  const files = chooseFiles(kubeconfig, env);
  const load = (): Kubeconfig => loadFiles(files, context, create);
  load();
  return async () => credentialsOf(load(), files);
}

function chooseFiles(kubeconfig: string | undefined, env: NodeJS.ProcessEnv): Files {
  if (kubeconfig !== undefined) return { paths: [kubeconfig], label: `--kubeconfig ${kubeconfig}` };
  const variable = env['KUBECONFIG'] ?? '';
  const named = variable.split(path.delimiter).filter((file) => file !== '');
  // As kubectl: a single file must exist; of several, missing ones are skipped.
  const found = named.length > 1 ? named.filter((file) => existsSync(file)) : named;
  if (found.length > 0) return { paths: found, label: `$KUBECONFIG ${variable}` };
  const standard = path.join(env['HOME'] ?? env['USERPROFILE'] ?? '', '.kube', 'config');
  if (named.length === 0 && existsSync(standard)) return { paths: [standard], label: standard };
  throw invalid(
    'There are no credentials of a Kubernetes API: no --kubeconfig, no $KUBECONFIG, no ~/.kube/config, and no service account token as in a' +
      ' pod (automountServiceAccountToken). Name a kubeconfig with --kubeconfig.',
  );
}

function loadFiles(files: Files, context: string | undefined, create: () => Kubeconfig): Kubeconfig {
  const config = create();
  for (const file of files.paths) {
    const other = create();
    try {
      other.loadFromFile(file);
      other.clusters = other.clusters.filter(({ name }) => config.getCluster(name) === null);
      other.users = other.users.filter(({ name }) => config.getUser(name) === null);
      other.contexts = other.contexts.filter(({ name }) => config.getContextObject(name) === null);
      config.mergeConfig(other, Boolean(config.getCurrentContext()));
    } catch (error) {
      // Without the cause: the message of a YAML error quotes the line, which may be a token.
      throw invalid(`${files.label}: cannot be read as a kubeconfig: ${reasonOf(error)}.`);
    }
  }
  selectContext(config, files, context);
  return config;
}

function selectContext(config: Kubeconfig, { label }: Files, context: string | undefined): void {
  const known = config.contexts.map(({ name }) => name);
  const listed = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  const name = context ?? config.getCurrentContext();
  const field = context === undefined ? '--kubeconfig' : '--context';
  if (!name) throw invalid(`${label}: no current-context is set; choose one with --context (${listed}).`, field);
  const chosen = config.getContextObject(name);
  if (chosen === null) {
    throw invalid(
      context === undefined
        ? `${label}: its current-context "${name}" is not among its contexts (${listed}).`
        : `--context ${name}: ${label} has no such context (${listed}).`,
      field,
    );
  }
  const isMissing = { cluster: config.getCluster(chosen.cluster) === null, user: config.getUser(chosen.user) === null };
  for (const kind of ['cluster', 'user'] as const)
    if (isMissing[kind]) throw invalid(`${label}: context "${name}" names a ${kind} that is not in it.`, field);
  config.setCurrentContext(name);
}

async function credentialsOf(config: Kubeconfig, { label }: Files): Promise<ClusterCredentials> {
  const context = config.getCurrentContext();
  const cluster = config.getCurrentCluster();
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    // Other messages may contain the output of an exec plugin.
    const reason = isSystemError(error) ? `: ${messageOf(error)}` : '';
    throw new SpartakusError(
      'unavailable',
      `${label}: the credentials of context "${context}" cannot be loaded${reason}. Does kubectl work with it?`,
    );
  }
  // client-node's agents open a connection per request; one is needed for a proxy only.
  if (cluster?.proxyUrl === undefined) delete options.agent;
  const { headers = {}, ...requestOptions } = options;
  // A token of a file may end in a newline, which a header must not contain.
  const trimmed = Object.entries(headers).map(([name, value]) => [name, String(value).trim()] as const);
  return { server: cluster?.server ?? '', headers: Object.fromEntries(trimmed), requestOptions };
}

function invalid(message: string, field = '--kubeconfig'): SpartakusError {
  return new SpartakusError('invalid', message, { field });
}

/** Contains nothing of the kubeconfig. */
function reasonOf(error: unknown): string {
  if (isSystemError(error)) return messageOf(error);
  if (error instanceof Error && error.name === 'YAMLException') {
    const line = pick(error, 'mark', 'line');
    return typeof line === 'number' ? `it is not YAML, line ${line + 1}` : 'it is not YAML';
  }
  // client-node's own checks name the entry by its index, such as "clusters[0].cluster.server is missing".
  const message = messageOf(error);
  const [, duplicate] = /^Duplicate (cluster|user|context): /.exec(message) ?? [];
  if (duplicate !== undefined) return `it has two ${duplicate}s of one name`;
  return /^(clusters|users|contexts)\[\d+\][\w.]* is missing$/.test(message) ? message : 'it is not a kubeconfig';
}

/** The messages of system errors contain a code and a path only. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
