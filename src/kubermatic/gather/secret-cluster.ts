import { createKubeClient, type KubeClient } from '../../kubernetes/client.ts';
import type { Clock } from '../../runtime/clock.ts';
import { readSecretKubeconfig, type SecretKey } from './secret-kubeconfig.ts';

export interface SecretClusterOptions {
  readonly clock?: Clock;
  /** How long one answer may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

/**
 * Uses the cluster whose kubeconfig stands in a Secret of another; its connections end with the use.
 *
 * Rejects as {@link readSecretKubeconfig}, and as the use does.
 */
export async function withSecretCluster<Value>(
  kube: KubeClient,
  secret: SecretKey,
  { signal, ...limits }: SecretClusterOptions,
  use: (cluster: KubeClient) => Promise<Value>,
): Promise<Value> {
  const cluster = createKubeClient(await readSecretKubeconfig(kube, secret), limits);
  const close = (): void => cluster.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    if (signal.aborted) close();
    return await use(cluster);
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}
