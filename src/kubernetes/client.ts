import https from 'node:https';
import { type Clock, systemClock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import type { KubeAccess, KubeCredentials } from './credentials.ts';
import { inClusterAccess, SERVICE_ACCOUNT_DIR } from './in-cluster.ts';
import { kubeconfigAccess } from './kubeconfig.ts';
import { sendRequest } from './request.ts';
import type { KubeAnswer } from './response.ts';
import { createThrottle } from './throttle.ts';

/** A minute, as client-go has it: tokens are renewed long before they expire, so an older file may be read this late. */
const CREDENTIALS_TTL_MS = 60_000;

/** How long to wait before each further attempt at a request, where the server does not ask for more; then its answer stands. */
const RETRY_WAITS_MS = [1000, 2000, 4000, 8000] as const;

/** A server that asks for more patience than this gets none: the next report asks again. */
const MAX_RETRY_WAIT_MS = 60_000;

/** An idle connection is closed before the other side does, so that no later request is sent into a closed one. */
const AGENT_OPTIONS = { keepAlive: true, timeout: 10_000 };

export interface KubeConfig {
  /** --kubeconfig: a file. */
  readonly kubeconfig?: string;
  /** --context: a context of the kubeconfig, in place of its current one. */
  readonly context?: string;
}

export interface KubeOptions extends RequestLimits {
  readonly env: NodeJS.ProcessEnv;
  /** Where the pod's service account is mounted. */
  readonly serviceAccountDir?: string;
}

export interface RequestLimits {
  /** How long one answer may take, in milliseconds. */
  readonly timeoutMs?: number;
  /** How long one answer may be: a page of 100 nodes is about 1.2 MB as a rule. */
  readonly maxBodyBytes?: number;
  /** Counts the age of credentials, the rate of requests, and the time before a retry. */
  readonly clock?: Clock;
}

/** Reads from the Kubernetes API. */
export interface KubeClient {
  /**
   * Sends a GET, at most five a second. Answers whatever the API server answers, an error too: readJson and readProtobuf turn that into a
   * SpartakusError. Where it answers 429 or 5xx it is asked again, after the time that it names and some of our own, four times at
   * most. Rejects with a SpartakusError where there is no answer.
   *
   * @param target path and query, such as "/api/v1/nodes?limit=100"
   * @param accept the media type to ask for
   */
  get(target: string, accept: string): Promise<KubeAnswer>;
  /** Ends what is under way and closes every connection. Idempotent. */
  close(): void;
  /** Whether it was closed: what fails then fails because of that. */
  isClosed(): boolean;
}

/**
 * A client of the cluster that the flags name, else of the cluster around this pod, else of the kubeconfig's current context
 * ($KUBECONFIG, then ~/.kube/config). No request is sent yet.
 *
 * A kubeconfig that cannot be read, or a context that is not in it, is a SpartakusError `invalid` that names the flag.
 */
export async function openKubeClient(config: KubeConfig, options: KubeOptions): Promise<KubeClient> {
  const { env, serviceAccountDir = SERVICE_ACCOUNT_DIR } = options;
  return createKubeClient(await chooseAccess(config, env, serviceAccountDir), options);
}

/** A client of the cluster that the access leads to. No request is sent yet. */
export function createKubeClient(access: KubeAccess, options: RequestLimits = {}): KubeClient {
  const { timeoutMs = 30_000, maxBodyBytes = 64 * 1024 * 1024, clock = systemClock } = options;
  const nowMs = (): number => clock.now().getTime();
  const throttle = createThrottle(clock);
  const stop = new AbortController();
  // TLS material is part of what an agent knows its sockets by: rotated certificates get new connections by themselves.
  const agent = new https.Agent(AGENT_OPTIONS);
  const memory = { spare: new Uint8Array() };
  let known: { readonly credentials: KubeCredentials; readonly readAtMs: number } | undefined;

  const credentials = async (): Promise<KubeCredentials> => {
    // A clock that was set back counts as a long time.
    if (known === undefined || Math.abs(nowMs() - known.readAtMs) > CREDENTIALS_TTL_MS) {
      known = { credentials: await access.credentials(), readAtMs: nowMs() };
    }
    return known.credentials;
  };

  const send = async (target: string, accept: string): Promise<KubeAnswer> => {
    await throttle.wait(stop.signal);
    const { server, alias, headers, options: tls } = await credentials();
    const answer = await sendRequest({
      server,
      alias,
      target,
      accept,
      headers,
      options: server.startsWith('http:') ? tls : { agent, ...tls },
      timeoutMs,
      maxBodyBytes,
      memory,
      signal: stop.signal,
    });
    // Whatever was presented is no longer known: the next request reads it again.
    if (answer.status === 401) known = undefined;
    return answer;
  };

  return {
    get: async (target, accept) => {
      let answer = await send(target, accept);
      for (const ownMs of RETRY_WAITS_MS) {
        const waitMs = Math.max(ownMs, answer.retryAfterMs ?? 0);
        if ((answer.status !== 429 && answer.status < 500) || waitMs > MAX_RETRY_WAIT_MS) break;
        await clock.sleep(waitMs, stop.signal);
        if (stop.signal.aborted)
          throw new SpartakusError('unavailable', `GET ${answer.path} was given up, because the program stops.`);
        answer = await send(target, accept);
      }
      return answer;
    },
    close: () => {
      stop.abort();
      agent.destroy();
    },
    isClosed: () => stop.signal.aborted,
  };
}

async function chooseAccess(
  config: KubeConfig,
  env: NodeJS.ProcessEnv,
  serviceAccountDir: string,
): Promise<KubeAccess> {
  if (config.kubeconfig === undefined && config.context === undefined) {
    const inCluster = inClusterAccess(env, serviceAccountDir);
    if (inCluster !== undefined) return inCluster;
  }
  // Only here: it costs 80 MiB, which a pod does not have to pay.
  const { KubeConfig: Kubeconfig } = await import('@kubernetes/client-node');
  return kubeconfigAccess(config, env, () => new Kubeconfig());
}
