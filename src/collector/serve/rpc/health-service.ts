import type { ConnectRouter } from '@connectrpc/connect';
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../../gen/grpc/health/v1/health_pb.js';
import { SpartakusError } from '../../../runtime/errors.ts';

export interface HealthState {
  readonly serving: boolean;
  /** Why it is not serving, where that is known. */
  readonly reason?: string | undefined;
  setServing(serving: boolean, reason?: string): void;
  /** Calls the listener on every change, until the signal is aborted. */
  onChange(listener: () => void, signal: AbortSignal): void;
}

export function createHealthState(): HealthState {
  let serving = true;
  let why: string | undefined;
  const listeners = new Set<() => void>();
  return {
    get serving() {
      return serving;
    },
    get reason() {
      return why;
    },
    setServing(next, reason) {
      why = reason;
      if (serving === next) return;
      serving = next;
      for (const listener of listeners) listener();
    },
    onChange(listener, signal) {
      if (signal.aborted) return;
      listeners.add(listener);
      signal.addEventListener('abort', () => listeners.delete(listener), { once: true });
    },
  };
}

/**
 * grpc.health.v1: https://github.com/grpc/grpc/blob/master/doc/health-checking.md
 *
 * @param stopping when aborted, ends every Watch after its last status
 */
export function createHealthService(
  health: HealthState,
  serviceNames: readonly string[],
  stopping: AbortSignal,
): (router: ConnectRouter) => void {
  // The empty name is the whole server.
  const known = new Set(['', ...serviceNames]);
  const statusOf = (service: string): ServingStatus => {
    if (!known.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return health.serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };
  return (router) =>
    router.service(Health, {
      check({ service }) {
        if (!known.has(service)) throw new SpartakusError('not-found', `unknown service ${JSON.stringify(service)}`);
        return { status: statusOf(service) };
      },
      list: () => ({
        statuses: Object.fromEntries([...known].map((service) => [service, { status: statusOf(service) }])),
      }),
      async *watch({ service }, { signal }) {
        const ended = AbortSignal.any([signal, stopping]);
        let changed = Promise.withResolvers<void>();
        const onChange = (): void => changed.resolve();
        health.onChange(onChange, ended);
        ended.addEventListener('abort', onChange, { once: true });
        let sent: ServingStatus | undefined;
        while (true) {
          const status = statusOf(service);
          if (status !== sent) {
            sent = status;
            yield { status };
          }
          if (ended.aborted) return;
          await changed.promise;
          changed = Promise.withResolvers();
        }
      },
    });
}
