import { createKubernetesClient, type KubernetesClient, type RequestLimits } from '../../kubernetes/client.ts';
import { readSecretKubeconfig, type SecretKey } from './secret-kubeconfig.ts';

export interface SecretClientOptions extends RequestLimits {
  /** Closes the client. */
  readonly signal: AbortSignal;
}

/**
 * Calls `use` with a client of the cluster whose kubeconfig is in a Secret, and closes the client.
 *
 * Rejects as {@link readSecretKubeconfig} and `use` do.
 */
export async function withSecretClient<Value>(
  kube: KubernetesClient,
  secret: SecretKey,
  { signal, ...limits }: SecretClientOptions,
  use: (client: KubernetesClient) => Promise<Value>,
): Promise<Value> {
  const credentials = await readSecretKubeconfig(kube, secret);
  const client = createKubernetesClient(() => Promise.resolve(credentials), limits);
  const close = (): void => client.close();
  signal.addEventListener('abort', close, { once: true });
  try {
    if (signal.aborted) close();
    return await use(client);
  } finally {
    signal.removeEventListener('abort', close);
    close();
  }
}
