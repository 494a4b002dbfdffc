import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import type { Logger } from '../runtime/logger.ts';
import type { KubernetesClient } from './client.ts';
import { type KubernetesResponse, pathOf, statusError } from './response.ts';

export interface RetryLimits {
  /** The maximum time of the retries in one gathering. */
  readonly totalMs: number;
  /** How long /readyz must respond with 200 before a 401 or 403 is final. */
  readonly readyMs: number;
}

/** An API server fills its RBAC caches within seconds, and one of a single control plane node restarts within minutes. */
export const RETRY_LIMITS: RetryLimits = { totalMs: 300_000, readyMs: 30_000 };

const FIRST_WAIT_MS = 1000;
const MAX_WAIT_MS = 60_000;

export interface RetryingClient extends KubernetesClient {
  /** Begins a gathering, which has the whole time for retries. */
  begin(): void;
  /** Ends a gathering with a report. Requests that failed in it are not retried in later ones, unless they succeed meanwhile. */
  confirm(): void;
  /** Whether a GET of the confirmed gatherings got 403. */
  hasForbidden(): boolean;
  /** Whether one of these is permitted now. Requests at most one object of each. */
  isGranted(): Promise<boolean>;
  /** The error of the last failed request. */
  lastError(): SpartakusError | undefined;
}

interface RetryingClientOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly limits?: RetryLimits;
}

/** `denied` is 401 and 403, `unavailable` is 429, 5xx and no response. */
type Failure = 'denied' | 'unavailable';

type Result =
  | { readonly response: KubernetesResponse; readonly error?: undefined }
  /** Without a `failure`, the error is not retried. */
  | { readonly error: SpartakusError; readonly failure?: Failure; readonly response?: KubernetesResponse };

interface FinalFailure {
  readonly failure: Failure;
  /** The request that shows whether a 403 is lifted. */
  readonly recheck?: { readonly target: string; readonly accept: string } | undefined;
}

/**
 * Repeats requests with 401, 403, 429, 5xx or without a response, with backoff and jitter, before their result is final. An API server that
 * has just started responds with 403 to what is permitted until its RBAC caches are filled, and its /readyz is not 200 until then.
 */
export function createRetryingClient(kube: KubernetesClient, options: RetryingClientOptions): RetryingClient {
  const { clock, random, logger, limits = RETRY_LIMITS } = options;
  const stop = new AbortController();
  const confirmed = new Map<string, FinalFailure>();
  let found = new Map<string, FinalFailure>();
  let spentMs = 0;
  let hasResponded = false;
  let readySinceMs: number | undefined;
  let isLogged = false;
  let lastError: SpartakusError | undefined;
  const nowMs = (): number => clock.now().getTime();

  /** While nothing responds at all, only the first gathering waits: the next ones begin with a backoff of their own. */
  const noteResponse = (): void => {
    if (!hasResponded) spentMs = 0;
    hasResponded = true;
  };

  /** Asked at once, over the connection of the denied request: a load balancer may select another server for a new one. */
  const isReadyForLong = async (): Promise<boolean> => {
    if (!(await kube.isReady())) {
      readySinceMs = undefined;
      return false;
    }
    readySinceMs ??= nowMs();
    return nowMs() - readySinceMs >= limits.readyMs;
  };

  const isFinal = async (key: string, failure: Failure): Promise<boolean> =>
    kube.isClosed() ||
    confirmed.get(key)?.failure === failure ||
    spentMs >= limits.totalMs ||
    (failure === 'denied' && (await isReadyForLong()));

  const log = ({ kind, message }: SpartakusError): void => {
    const advice = `It is tried again for up to ${(limits.totalMs - spentMs) / 1000} s, in case the API server is starting.`;
    if (!isLogged) logger.info({ kind }, `${message} ${advice}`);
    isLogged = true;
  };

  const send = async (
    method: string,
    target: string,
    request: () => Promise<KubernetesResponse>,
    accept?: string,
  ): Promise<KubernetesResponse> => {
    const key = `${method} ${pathOf(target)}`;
    let sinceMs: number | undefined;
    for (let attempt = 0; ; attempt += 1) {
      const result = await resultOf(request);
      // Not below zero, because the clock may have been set back.
      spentMs += Math.max(0, nowMs() - (sinceMs ?? nowMs()));
      sinceMs = nowMs();
      if (result.error === undefined) {
        noteResponse();
        confirmed.delete(key);
        return result.response;
      }
      const { failure, response, error } = result;
      // At the end, requests are cancelled, whatever made them fail before.
      if (!kube.isClosed()) lastError = error;
      if (failure === undefined) throw error;
      if (failure === 'denied') noteResponse();
      const leftMs = limits.totalMs - spentMs;
      const askedMs = error.retryAfterMs ?? 0;
      if (askedMs > leftMs || (await isFinal(key, failure))) {
        const recheck = accept === undefined || response?.status !== 403 ? undefined : recheckOf(target, accept);
        found.set(key, { failure, recheck });
        if (response === undefined) throw error;
        return response;
      }
      log(error);
      await clock.sleep(Math.min(leftMs, Math.max(askedMs, waitOf(attempt, random))), stop.signal);
    }
  };

  return {
    namespace: kube.namespace,
    get: (target, accept) => send('GET', target, () => kube.get(target, accept), accept),
    create: (target, body) => send('POST', target, () => kube.create(target, body)),
    update: (target, body) => send('PUT', target, () => kube.update(target, body)),
    isReady: () => kube.isReady(),
    isClosed: () => kube.isClosed(),
    close: () => {
      kube.close();
      stop.abort();
    },
    begin: () => {
      if (hasResponded) spentMs = 0;
      hasResponded = false;
      readySinceMs = undefined;
      found = new Map();
    },
    confirm: () => {
      for (const [key, failure] of found) confirmed.set(key, failure);
      isLogged = false;
    },
    hasForbidden: () => [...confirmed.values()].some(({ recheck }) => recheck !== undefined),
    isGranted: async () => {
      for (const { recheck } of confirmed.values()) {
        if (recheck === undefined) continue;
        const response = await kube.get(recheck.target, recheck.accept).catch(() => undefined);
        if (response?.status === 200) return true;
      }
      return false;
    },
    lastError: () => lastError,
  };
}

/** The half to the whole of 1 s, 2 s, 4 s, … 60 s. */
function waitOf(attempt: number, random: () => number): number {
  const windowMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 20));
  return Math.round(windowMs * (0.5 + 0.5 * random()));
}

async function resultOf(request: () => Promise<KubernetesResponse>): Promise<Result> {
  let response: KubernetesResponse;
  try {
    response = await request();
  } catch (thrown) {
    const error = SpartakusError.from(thrown);
    return { error, ...(error.kind === 'unavailable' && { failure: 'unavailable' }) };
  }
  const failure = failureOf(response.status);
  if (failure === undefined) return { response };
  // A copy, because the body is only valid until the next request.
  return { failure, response: { ...response, body: response.body.slice() }, error: statusError(response) };
}

function failureOf(status: number): Failure | undefined {
  if (status === 401 || status === 403) return 'denied';
  return status === 429 || status >= 500 ? 'unavailable' : undefined;
}

/** Undefined for Secrets: the key in one is read once in a run, so that ids do not change within it. */
function recheckOf(target: string, accept: string): FinalFailure['recheck'] {
  const path = pathOf(target);
  if (path.includes('/secrets/')) return undefined;
  return { target: target === path ? path : `${path}?limit=1`, accept };
}
