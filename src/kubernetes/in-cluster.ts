import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { formatHostPort } from '../runtime/addresses.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { KubeAccess } from './credentials.ts';

/** Where Kubernetes mounts the service account of a pod. */
export const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * How to reach the API server from inside a pod: with the token of the pod's service account, and its CA. Undefined outside of a pod,
 * and in a pod whose service account token is not mounted.
 *
 * Rule: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api
 */
export function inClusterAccess(env: NodeJS.ProcessEnv, serviceAccountDir: string): KubeAccess | undefined {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = env['KUBERNETES_SERVICE_PORT'];
  const tokenFile = path.join(serviceAccountDir, 'token');
  if (!host || !port || !existsSync(tokenFile)) return undefined;
  const server = `https://${formatHostPort(host, port)}`;
  return {
    credentials: async () => {
      const [token, ca] = await Promise.all([read(tokenFile), read(path.join(serviceAccountDir, 'ca.crt'))]);
      return {
        server,
        headers: { authorization: `Bearer ${token.trim()}` },
        options: { ca, rejectUnauthorized: true },
      };
    },
  };
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new SpartakusError(
      'unavailable',
      `The pod's service account cannot be read: ${messageOf(error)}. Is ${file} mounted?`,
    );
  }
}
