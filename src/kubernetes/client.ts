import https from 'node:https';
import { type Clock, systemClock } from '../runtime/clock.ts';
import type { ClusterCredentials, CredentialsLoader } from './credentials.ts';
import { inClusterCredentials, readPodNamespace, SERVICE_ACCOUNT_DIR } from './in-cluster.ts';
import { kubeconfigCredentials } from './kubeconfig.ts';
import { createRateLimiter, type RequestRate } from './rate-limiter.ts';
import { type KubernetesRequest, sendRequest } from './request.ts';
import { JSON_TYPE, type KubernetesResponse } from './response.ts';

/** As in client-go: tokens are renewed long before they expire. */
const CREDENTIALS_TTL_MS = 60_000;

/** The waits before retries. A longer Retry-After replaces them, up to the maximum. */
const RETRY_WAITS_MS = [1000, 2000, 4000, 8000] as const;
const MAX_RETRY_WAIT_MS = 60_000;

/** The client closes idle connections first, because the server could do so just when a request is sent. */
const AGENT_OPTIONS = { keepAlive: true, timeout: 10_000 };

export interface KubernetesConfig {
  readonly kubeconfig?: string;
  readonly context?: string;
  /** Requests per second in the long run, and at once after a pause: as the flags of the same names. */
  readonly kubeQps?: number;
  readonly kubeBurst?: number;
}

export interface RequestLimits {
  /** Of one request, with its whole response. */
  readonly timeoutMs?: number;
  /** A page of 100 nodes is about 1.2 MB. */
  readonly maxBodyBytes?: number;
  readonly rate?: RequestRate;
  readonly clock?: Clock;
}

export const DEFAULT_RATE: RequestRate = { qps: 10, burst: 20 };

export interface KubernetesClientOptions extends RequestLimits {
  readonly env: NodeJS.ProcessEnv;
  readonly serviceAccountDir?: string;
}

export interface KubernetesClient {
  /** The namespace of this pod, where the client uses its service account. */
  readonly namespace?: string | undefined;
  /**
   * Sends a GET of a path with its query, within the rate, and retries 429 and 5xx up to four times. Resolves to a response of any status.
   * Rejects with a SpartakusError where there is none.
   */
  get(target: string, accept: string): Promise<KubernetesResponse>;
  /** Sends a POST with a body of JSON, as get() sends a GET. A repeated one may get 409, because the first one created the object. */
  create(target: string, body: object): Promise<KubernetesResponse>;
  /** Sends a PUT of an object with its resourceVersion, as get() sends a GET. A repeated one may get 409, as may one of an older version. */
  update(target: string, body: object): Promise<KubernetesResponse>;
  /** Whether /readyz responds with 200, asked once. Every account may ask, so it needs no rule of RBAC. */
  isReady(): Promise<boolean>;
  /** Cancels all requests. Idempotent. */
  close(): void;
  isClosed(): boolean;
}

/**
 * Creates a client with --kubeconfig or --context, else with the service account of this pod, else with $KUBECONFIG or ~/.kube/config.
 * Sends no request. Rejects with a SpartakusError `invalid` that names the flag where the kubeconfig cannot be used.
 */
export async function openKubernetesClient(
  config: KubernetesConfig,
  options: KubernetesClientOptions,
): Promise<KubernetesClient> {
  const { load, namespace } = await chooseCredentials(config, options);
  const { kubeQps: qps = DEFAULT_RATE.qps, kubeBurst: burst = DEFAULT_RATE.burst } = config;
  return { ...createKubernetesClient(load, { ...options, rate: { qps, burst } }), namespace };
}

export function createKubernetesClient(
  loadCredentials: CredentialsLoader,
  { timeoutMs = 30_000, maxBodyBytes = 64 * 1024 * 1024, rate = DEFAULT_RATE, clock = systemClock }: RequestLimits = {},
): KubernetesClient {
  const nowMs = (): number => clock.now().getTime();
  const waitForRate = createRateLimiter(clock, rate);
  const stop = new AbortController();
  const { signal } = stop;
  // Rotated certificates open new connections, because an agent keys them by their TLS options.
  const agent = new https.Agent(AGENT_OPTIONS);
  const shared = { agent, buffer: { bytes: new Uint8Array() }, timeoutMs, maxBodyBytes, signal };
  let cached: { readonly credentials: ClusterCredentials; readonly loadedAtMs: number } | undefined;

  const send = async (
    request: Pick<KubernetesRequest, 'method' | 'target' | 'accept' | 'content'>,
  ): Promise<KubernetesResponse> => {
    await waitForRate(signal);
    // Absolute, because the clock may have been set back.
    const isCached = cached !== undefined && Math.abs(nowMs() - cached.loadedAtMs) <= CREDENTIALS_TTL_MS;
    if (cached === undefined || !isCached) cached = { credentials: await loadCredentials(), loadedAtMs: nowMs() };
    const response = await sendRequest({ ...cached.credentials, ...shared, ...request });
    if (response.status !== 401) return response;
    // The token may have been rotated before it was loaded again.
    cached = undefined;
    return isCached ? await send(request) : response;
  };

  const sendWithRetries: typeof send = async (request) => {
    let response = await send(request);
    for (const minWaitMs of RETRY_WAITS_MS) {
      const waitMs = Math.max(minWaitMs, response.retryAfterMs ?? 0);
      if ((response.status !== 429 && response.status < 500) || waitMs > MAX_RETRY_WAIT_MS) break;
      await clock.sleep(waitMs, signal);
      response = await send(request);
    }
    return response;
  };

  return {
    get: (target, accept) => sendWithRetries({ method: 'GET', target, accept }),
    create: (target, body) =>
      sendWithRetries({ method: 'POST', target, accept: JSON_TYPE, content: JSON.stringify(body) }),
    update: (target, body) =>
      sendWithRetries({ method: 'PUT', target, accept: JSON_TYPE, content: JSON.stringify(body) }),
    isReady: async () => {
      const response = await send({ method: 'GET', target: '/readyz', accept: '*/*' }).catch(() => undefined);
      return response?.status === 200;
    },
    close: () => {
      stop.abort();
      agent.destroy();
    },
    isClosed: () => signal.aborted,
  };
}

async function chooseCredentials(
  { kubeconfig, context }: KubernetesConfig,
  { env, serviceAccountDir = SERVICE_ACCOUNT_DIR }: KubernetesClientOptions,
): Promise<{ readonly load: CredentialsLoader; readonly namespace?: string | undefined }> {
  if (kubeconfig === undefined && context === undefined) {
    const inCluster = inClusterCredentials(env, serviceAccountDir);
    if (inCluster !== undefined) return { load: inCluster, namespace: await readPodNamespace(serviceAccountDir) };
  }
  // Imported when used: it takes 80 MiB of memory.
  const { KubeConfig } = await import('@kubernetes/client-node');
  return { load: kubeconfigCredentials(kubeconfig, context, env, () => new KubeConfig()) };
}
