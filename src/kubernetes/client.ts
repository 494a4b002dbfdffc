import https from 'node:https';
import { type Clock, systemClock } from '../runtime/clock.ts';
import type { ClusterCredentials, CredentialsLoader, KubernetesConfig } from './credentials.ts';
import { inClusterCredentials, SERVICE_ACCOUNT_DIR } from './in-cluster.ts';
import { kubeconfigCredentials } from './kubeconfig.ts';
import { createRateLimiter } from './rate-limiter.ts';
import { sendRequest } from './request.ts';
import type { KubernetesResponse } from './response.ts';

/** As in client-go: tokens are renewed long before they expire. */
const CREDENTIALS_TTL_MS = 60_000;

/** The wait before each retry of a request, unless Retry-After asks for more. */
const RETRY_WAITS_MS = [1000, 2000, 4000, 8000] as const;

/** A longer Retry-After is not waited for. */
const MAX_RETRY_WAIT_MS = 60_000;

/** The client closes idle connections before the server does, so that it never sends a request on a closed one. */
const AGENT_OPTIONS = { keepAlive: true, timeout: 10_000 };

export interface RequestLimits {
  /** How long a response may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** How long a response body may be. A page of 100 nodes is about 1.2 MB. */
  readonly maxBodyBytes?: number;
  readonly clock?: Clock;
}

export interface KubernetesClientOptions extends RequestLimits {
  readonly env: NodeJS.ProcessEnv;
  /** Where the pod's service account is mounted. */
  readonly serviceAccountDir?: string;
}

/** Reads from the Kubernetes API. */
export interface KubernetesClient {
  /**
   * Sends a GET, at most five a second. Responses of 429 and 5xx are retried up to four times. Resolves to a response of any status:
   * readJson and readProtobuf turn errors into a SpartakusError. Rejects with a SpartakusError where there is no response.
   *
   * @param target path and query, such as "/api/v1/nodes?limit=100"
   * @param accept the media type to ask for
   */
  get(target: string, accept: string): Promise<KubernetesResponse>;
  /** Cancels requests and closes all connections. Idempotent. */
  close(): void;
  /** Whether close() was called, which explains the errors that follow. */
  isClosed(): boolean;
}

/**
 * Creates a client of the cluster that --kubeconfig or --context names, else of the cluster that this pod runs in, else of the
 * kubeconfig in $KUBECONFIG or ~/.kube/config. Sends no request yet.
 *
 * Rejects with a SpartakusError `invalid` that names the flag where a kubeconfig cannot be read or has no such context.
 */
export async function openKubernetesClient(
  config: KubernetesConfig,
  options: KubernetesClientOptions,
): Promise<KubernetesClient> {
  return createKubernetesClient(await chooseCredentials(config, options), options);
}

/** Creates a client of one cluster. Sends no request yet. */
export function createKubernetesClient(
  loadCredentials: CredentialsLoader,
  { timeoutMs = 30_000, maxBodyBytes = 64 * 1024 * 1024, clock = systemClock }: RequestLimits = {},
): KubernetesClient {
  const nowMs = (): number => clock.now().getTime();
  const waitForRate = createRateLimiter(clock);
  const stop = new AbortController();
  const { signal } = stop;
  // An agent keys its connections by their TLS options, so rotated certificates open new connections.
  const agent = new https.Agent(AGENT_OPTIONS);
  const buffer = { bytes: new Uint8Array() };
  let cached: { readonly credentials: ClusterCredentials; readonly loadedAtMs: number } | undefined;

  const send = async (target: string, accept: string): Promise<KubernetesResponse> => {
    await waitForRate(signal);
    // The absolute difference, because the clock may have been set back.
    if (cached === undefined || Math.abs(nowMs() - cached.loadedAtMs) > CREDENTIALS_TTL_MS)
      cached = { credentials: await loadCredentials(), loadedAtMs: nowMs() };
    const { credentials } = cached;
    const response = await sendRequest({
      ...credentials,
      target,
      accept,
      agent,
      timeoutMs,
      maxBodyBytes,
      buffer,
      signal,
    });
    if (response.status === 401) cached = undefined;
    return response;
  };

  return {
    get: async (target, accept) => {
      let response = await send(target, accept);
      for (const minWaitMs of RETRY_WAITS_MS) {
        const waitMs = Math.max(minWaitMs, response.retryAfterMs ?? 0);
        if ((response.status !== 429 && response.status < 500) || waitMs > MAX_RETRY_WAIT_MS) break;
        await clock.sleep(waitMs, signal);
        response = await send(target, accept);
      }
      return response;
    },
    close: () => {
      stop.abort();
      agent.destroy();
    },
    isClosed: () => signal.aborted,
  };
}

async function chooseCredentials(
  config: KubernetesConfig,
  { env, serviceAccountDir = SERVICE_ACCOUNT_DIR }: KubernetesClientOptions,
): Promise<CredentialsLoader> {
  if (config.kubeconfig === undefined && config.context === undefined) {
    const inCluster = inClusterCredentials(env, serviceAccountDir);
    if (inCluster !== undefined) return inCluster;
  }
  // Loaded here only: it takes 80 MiB of memory, which a pod does not need.
  const { KubeConfig } = await import('@kubernetes/client-node');
  return kubeconfigCredentials(config, env, () => new KubeConfig());
}
