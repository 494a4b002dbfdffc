import { suggest } from './suggest.ts';

const PREFIX = 'SPARTAKUS_';
const SERVICE_URL = /^(?:tcp|udp|sctp):\/\/.+:\d+$/;
/** The variables that the kubelet sets for a Service (kubernetes/kubernetes, pkg/kubelet/envvars/envvars.go). */
const SERVICE_SUFFIX =
  /^_(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT|PORT_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/;

/**
 * Removes the variables that Kubernetes injects into every pod of a namespace: for a Service named `spartakus`, it sets
 * SPARTAKUS_PORT=tcp://10.96.0.7:8080, SPARTAKUS_SERVICE_HOST and more. Returns the other variables, and the names of the removed ones.
 */
export function dropServiceVariables(env: NodeJS.ProcessEnv) {
  const names = Object.keys(env).filter((name) => name.startsWith(PREFIX));
  const services = names
    .filter((name) => name.endsWith('_SERVICE_HOST') || isServicePort(name, env))
    .map((name) => name.replace(/_(?:SERVICE_HOST|PORT)$/, ''));
  const injected = names.filter((name) =>
    services.some((service) => {
      if (!name.startsWith(service) || !SERVICE_SUFFIX.test(name.slice(service.length))) return false;
      // The administrator may set this one to a port number.
      return name !== `${service}_PORT` || isServicePort(name, env);
    }),
  );
  return { env: Object.fromEntries(Object.entries(env).filter(([name]) => !injected.includes(name))), injected };
}

function isServicePort(name: string, env: NodeJS.ProcessEnv): boolean {
  return name.endsWith('_PORT') && SERVICE_URL.test(env[name] ?? '');
}

export function describeUnknownVariables(env: NodeJS.ProcessEnv, known: readonly string[], command: string): string[] {
  const isOurs = (name: string): boolean => name.startsWith(PREFIX);
  const suffixes = known.filter(isOurs).map((name) => name.slice(PREFIX.length));
  return Object.keys(env)
    .filter((name) => isOurs(name) && !known.includes(name))
    .map((name) => {
      const close = suggest(name.slice(PREFIX.length), suffixes);
      const hint = close === undefined ? '' : ` Did you mean ${PREFIX}${close}?`;
      return `The environment variable ${name} is ignored: spartakus ${command} has no such variable.${hint}`;
    });
}
