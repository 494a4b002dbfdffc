import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { formatHostPort } from '../runtime/addresses.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import type { CredentialsLoader } from './credentials.ts';

export const SERVICE_ACCOUNT_DIR = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Undefined outside of a pod, and where the service account token is not mounted. */
export function inClusterCredentials(env: NodeJS.ProcessEnv, serviceAccountDir: string): CredentialsLoader | undefined {
  // https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/#directly-accessing-the-rest-api
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = env;
  const tokenFile = path.join(serviceAccountDir, 'token');
  if (!host || !port || !existsSync(tokenFile)) return undefined;
  const server = `https://${formatHostPort(host, port)}`;
  return async () => {
    const [token, ca] = await Promise.all([read(tokenFile), read(path.join(serviceAccountDir, 'ca.crt'))]);
    const headers = { authorization: `Bearer ${token.trim()}` };
    return { server, headers, requestOptions: { ca, rejectUnauthorized: true } };
  };
}

/** The namespace of this pod, which is mounted with the token. Undefined where it is not mounted. */
export async function readPodNamespace(serviceAccountDir: string): Promise<string | undefined> {
  const text = await readFile(path.join(serviceAccountDir, 'namespace'), 'utf8').catch(() => '');
  // The name becomes part of a path of requests.
  return /^[a-z0-9-]{1,63}$/.exec(text.trim())?.[0];
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const message = `The pod's service account cannot be read: ${messageOf(error)}. Is ${file} mounted?`;
    throw new SpartakusError('unavailable', message);
  }
}
