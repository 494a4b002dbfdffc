import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type ClientCredentials,
  type ClientCredentialsConfig,
  openClientCredentials,
} from '../../delivery/client-credentials.ts';
import type { Database } from '../../delivery/open-sink.ts';
import { type KubernetesClient, type KubernetesConfig, openKubernetesClient } from '../../kubernetes/client.ts';
import { messageOf } from '../../runtime/errors.ts';
import { makeDirectory } from '../../runtime/make-directory.ts';
import { checkExtensions, readExtensions } from '../gather/extensions.ts';
import type { GatherConfig } from '../gather/gather.ts';
import { readKeyFile } from '../gather/id-key-file.ts';
import { resolveIds } from '../gather/id-scope.ts';
import { checkCollector } from './check-collector.ts';
import { checkDelivery } from './check-delivery.ts';
import { checkIdKey } from './check-id-key.ts';
import { checkKubernetes } from './check-kubernetes.ts';
import { type Check, fail, ok, warn } from './check.ts';

interface DoctorConfig extends GatherConfig, KubernetesConfig, ClientCredentialsConfig {
  readonly database: Database;
  readonly spoolDir?: string;
  readonly healthPort?: number;
}

interface DoctorOptions {
  readonly env: NodeJS.ProcessEnv;
  readonly serviceAccountDir?: string;
  /** The deadline of each step, in milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Checks what the next report depends on. Sends no data of the cluster, and changes nothing, but creates the spool directory. */
export async function* runDoctor(config: DoctorConfig, options: DoctorOptions): AsyncGenerator<Check> {
  yield await checkSpool(config.spoolDir);
  yield* checkFiles(config);
  yield* checkCluster(config, options);
  const { env, timeoutMs } = options;
  yield* checkDestination(config, { env, timeoutMs });
  const delivery = await checkDelivery(config, timeoutMs);
  if (delivery !== undefined) yield delivery;
}

async function* checkDestination(
  config: DoctorConfig,
  { env, timeoutMs }: Pick<DoctorOptions, 'env' | 'timeoutMs'>,
): AsyncGenerator<Check> {
  let credentials: ClientCredentials;
  try {
    credentials = await openClientCredentials(config, config.database.spec);
  } catch (error) {
    yield fail('credentials', messageOf(error));
    return;
  }
  yield* checkCollector(config.database, { env, credentials, tokenFile: config.tokenFile, timeoutMs });
}

async function checkSpool(spoolDir: string | undefined): Promise<Check> {
  if (spoolDir === undefined) return ok('spool', 'reports wait in memory; with --spool-dir they survive a restart');
  const file = path.join(spoolDir, '.doctor');
  try {
    await makeDirectory(spoolDir);
    await writeFile(file, '');
    await rm(file);
  } catch (error) {
    const advice = 'Reports wait in memory instead: is the volume mounted, not full, and writable for this user?';
    return warn('spool', `--spool-dir ${spoolDir}: ${messageOf(error)}. ${advice}`);
  }
  return ok('spool', `${spoolDir} can be written`);
}

async function* checkFiles({ extensions, extensionsRecursive, idKeyFile }: DoctorConfig): AsyncGenerator<Check> {
  if (idKeyFile !== undefined) {
    yield await readKeyFile(idKeyFile).then(
      ({ length }) => ok('id key', `${idKeyFile} holds ${length} bytes`),
      (error: unknown) => fail('id key', messageOf(error)),
    );
  }
  if (extensions === undefined) return;
  try {
    await checkExtensions(extensions);
  } catch (error) {
    yield fail('extensions', messageOf(error));
    return;
  }
  const { extensions: found, problems } = await readExtensions(extensions, { recursive: extensionsRecursive });
  yield ok('extensions', `${extensions} holds ${found.length}`);
  for (const { message } of problems) yield warn('extensions', `${message} The report is sent without it.`);
}

async function* checkCluster(
  config: DoctorConfig,
  { env, serviceAccountDir, timeoutMs, signal }: DoctorOptions,
): AsyncGenerator<Check> {
  let kube: KubernetesClient;
  try {
    kube = await openKubernetesClient(config, { env, serviceAccountDir, timeoutMs });
  } catch (error) {
    yield fail('Kubernetes API', messageOf(error));
    return;
  }
  const close = () => kube.close();
  signal?.addEventListener('abort', close, { once: true });
  try {
    yield* checkKubernetes(kube, config);
    yield* checkIdKey(kube, resolveIds(config));
  } finally {
    signal?.removeEventListener('abort', close);
    close();
  }
}
