import { existsSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import path from 'node:path';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { KubeAccess, KubeCredentials } from './credentials.ts';

/** Which files are read, and how messages name them. */
interface Files {
  readonly paths: readonly string[];
  /** The flag or variable that named them, with its value. */
  readonly label: string;
}

/** What the flags say; see KubeConfig in kube.ts. */
interface Choice {
  readonly kubeconfig?: string;
  readonly context?: string;
}

/** A thing of a kubeconfig that has a name. */
interface Named {
  readonly name: string;
}

/** What is used of a kubeconfig, as @kubernetes/client-node reads it. */
export interface Kubeconfig {
  clusters: (Named & { readonly server: string; readonly proxyUrl?: string | undefined })[];
  users: Named[];
  contexts: (Named & { readonly cluster: string; readonly user: string })[];
  loadFromFile(file: string): void;
  /** Adds the other's clusters, users and contexts, and takes its current context unless `preserveContext` is set. */
  mergeConfig(other: Kubeconfig, preserveContext: boolean): void;
  getCurrentContext(): string;
  setCurrentContext(context: string): void;
  /** Fills in TLS material, headers and an agent; runs exec plugins. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/**
 * How to reach the API server that a kubeconfig names: its CA, and client certificates, tokens, exec plugins or a password. The
 * files are read now, so that a mistake shows at start, and again each time when credentials are asked for.
 *
 * Which files: --kubeconfig, else $KUBECONFIG (several, joined as kubectl does: of two entries with one name the first counts), else
 * ~/.kube/config. What cannot be used is a SpartakusError `invalid` that names the flag; it repeats nothing of the content.
 *
 * @param create makes an empty kubeconfig
 */
export function kubeconfigAccess(choice: Choice, env: NodeJS.ProcessEnv, create: () => Kubeconfig): KubeAccess {
  const files = chooseFiles(choice, env);
  const load = (): Kubeconfig => loadFiles(files, choice.context, create);
  load();
  return { credentials: async () => credentialsOf(load(), files) };
}

function chooseFiles({ kubeconfig }: Choice, env: NodeJS.ProcessEnv): Files {
  if (kubeconfig !== undefined) return { paths: [kubeconfig], label: `--kubeconfig ${kubeconfig}` };
  const variable = env['KUBECONFIG'] ?? '';
  const named = variable.split(path.delimiter).filter((file) => file !== '');
  // As kubectl: one file must exist, of several those that exist count.
  const found = named.length > 1 ? named.filter((file) => existsSync(file)) : named;
  if (found.length > 0) return { paths: found, label: `$KUBECONFIG ${variable}` };
  const standard = path.join(env['HOME'] ?? env['USERPROFILE'] ?? '', '.kube', 'config');
  if (named.length === 0 && existsSync(standard)) return { paths: [standard], label: standard };
  throw new SpartakusError(
    'invalid',
    'There is no way to a Kubernetes API: no --kubeconfig, no $KUBECONFIG, no ~/.kube/config, and no service account token as in a' +
      ' pod (automountServiceAccountToken). Name a kubeconfig with --kubeconfig.',
    { field: '--kubeconfig' },
  );
}

function loadFiles(files: Files, context: string | undefined, create: () => Kubeconfig): Kubeconfig {
  const config = create();
  for (const file of files.paths) join(config, read(file, files, create()));
  choose(config, files, context);
  return config;
}

function read(file: string, files: Files, config: Kubeconfig): Kubeconfig {
  try {
    config.loadFromFile(file);
  } catch (error) {
    // No cause: the text of a YAML error quotes the line, and the line may be a token.
    throw new SpartakusError('invalid', `${files.label}: cannot be read as a kubeconfig: ${reasonOf(error)}.`, {
      field: '--kubeconfig',
    });
  }
  return config;
}

function join(config: Kubeconfig, other: Kubeconfig): void {
  other.clusters = other.clusters.filter(({ name }) => find(config.clusters, name) === undefined);
  other.users = other.users.filter(({ name }) => find(config.users, name) === undefined);
  other.contexts = other.contexts.filter(({ name }) => find(config.contexts, name) === undefined);
  config.mergeConfig(other, Boolean(config.getCurrentContext()));
}

function choose(config: Kubeconfig, files: Files, context: string | undefined): void {
  const known = config.contexts.map(({ name }) => name);
  const listed = known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`;
  const name = context ?? config.getCurrentContext();
  const fail = (message: string): never => {
    throw new SpartakusError('invalid', message, { field: context === undefined ? '--kubeconfig' : '--context' });
  };
  if (!name) return fail(`${files.label}: no current-context is set; choose one with --context (${listed}).`);
  const chosen = find(config.contexts, name);
  if (chosen === undefined) {
    return context === undefined
      ? fail(`${files.label}: its current-context "${name}" is not among its contexts (${listed}).`)
      : fail(`--context ${name}: ${files.label} has no such context (${listed}).`);
  }
  if (find(config.clusters, chosen.cluster) === undefined)
    return fail(`${files.label}: context "${name}" names a cluster that is not in it.`);
  if (find(config.users, chosen.user) === undefined)
    return fail(`${files.label}: context "${name}" names a user that is not in it.`);
  config.setCurrentContext(name);
}

function find<Entry extends Named>(entries: readonly Entry[], name: string): Entry | undefined {
  return entries.find((entry) => entry.name === name);
}

async function credentialsOf(config: Kubeconfig, files: Files): Promise<KubeCredentials> {
  const cluster = find(config.clusters, find(config.contexts, config.getCurrentContext())?.cluster ?? '');
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    // What an exec plugin prints ends up in the error, so only files' and commands' names are repeated.
    throw new SpartakusError(
      'unavailable',
      `${files.label}: the credentials of context "${config.getCurrentContext()}" cannot be had${reasonIfSystem(error)}. Does kubectl work with it?`,
    );
  }
  // client-node's agents open a connection a request. One is needed only where the way leads through a proxy.
  if (cluster?.proxyUrl === undefined) delete options.agent;
  const { headers, ...rest } = options;
  return { server: cluster?.server ?? '', headers: trimmed(headers), options: rest };
}

/** A token that was read from a file ends in a newline, which a header may not hold. */
function trimmed(headers: RequestOptions['headers']): Record<string, string> {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, String(value).trim()]));
}

/** Why a kubeconfig cannot be read, without a word of what stands in it. */
function reasonOf(error: unknown): string {
  if (isSystemError(error)) return messageOf(error);
  if (error instanceof Error && error.name === 'YAMLException') return `it is not YAML${lineOf(error)}`;
  // client-node's own checks name the entry by its index, such as "clusters[0].cluster.server is missing".
  const message = messageOf(error);
  return /^(clusters|users|contexts)\[\d+\][\w.]* is missing$/.test(message) ? message : 'it is not a kubeconfig';
}

function lineOf(error: Error): string {
  const mark: unknown = 'mark' in error ? error.mark : undefined;
  const line = typeof mark === 'object' && mark !== null && 'line' in mark ? mark.line : undefined;
  return typeof line === 'number' ? `, line ${line + 1}` : '';
}

function reasonIfSystem(error: unknown): string {
  return isSystemError(error) ? `: ${messageOf(error)}` : '';
}

/** An error of the operating system: its message holds a code and a path. */
function isSystemError(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}
