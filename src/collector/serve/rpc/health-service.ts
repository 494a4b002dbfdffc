import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '../../../../gen/grpc/health/v1/health_pb.js';

/** Whether the collector serves, and who wants to be told. */
export interface HealthState {
  /** Whether new reports are taken. */
  readonly serving: boolean;
  setServing(serving: boolean): void;
  /** Calls back at every change, until the signal is aborted. */
  onChange(listener: () => void, signal: AbortSignal): void;
}

export function createHealthState(): HealthState {
  let serving = true;
  const listeners = new Set<() => void>();
  return {
    get serving() {
      return serving;
    },
    setServing(next) {
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
 * grpc.health.v1 (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): the empty name is the whole server, and every
 * service that is served has the same health.
 *
 * @param serviceNames the full names of the services
 * @param stopping ends every Watch, after it was told the last status
 */
export function createHealthService(
  health: HealthState,
  serviceNames: readonly string[],
  stopping: AbortSignal,
): (router: ConnectRouter) => void {
  const known = new Set(['', ...serviceNames]);
  const statusOf = (service: string): ServingStatus => {
    if (!known.has(service)) return ServingStatus.SERVICE_UNKNOWN;
    return health.serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
  };
  return (router) =>
    router.service(Health, {
      check({ service }) {
        if (!known.has(service))
          throw new ConnectError(`there is no service ${JSON.stringify(service)} here`, Code.NotFound);
        return { status: statusOf(service) };
      },
      list: () => ({
        statuses: Object.fromEntries([...known].map((service) => [service, { status: statusOf(service) }])),
      }),
      async *watch({ service }, { signal }) {
        const ended = AbortSignal.any([signal, stopping]);
        let bell = Promise.withResolvers<void>();
        const ring = (): void => bell.resolve();
        health.onChange(ring, ended);
        ended.addEventListener('abort', ring, { once: true });
        let told: ServingStatus | undefined;
        while (true) {
          const status = statusOf(service);
          if (status !== told) {
            told = status;
            yield { status };
          }
          if (ended.aborted) return;
          await bell.promise;
          bell = Promise.withResolvers();
        }
      },
    });
}
