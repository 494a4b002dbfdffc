import path from 'node:path';
import type { KubernetesClient } from '../../kubernetes/client.ts';
import { messageOf } from '../../runtime/errors.ts';
import { type GatherConfig, selectFields } from '../gather/gather.ts';
import { KEY_FILE, readStoredKey } from '../gather/id-key-file.ts';
import { checkKeySecret, ROLE_ADVICE } from '../gather/id-key-secret.ts';
import { KUBE_SYSTEM_CONSEQUENCE, needsKey, RUN_KEY_WARNING } from '../gather/id-key.ts';
import { type Check, fail, ok, warn } from './check.ts';

const NAME = 'id key';

/** Checks the place of the key of ids other than --id-key-file, where the configuration needs one. Creates no key. */
export async function* checkIdKey(kube: KubernetesClient, config: GatherConfig): AsyncGenerator<Check> {
  const { idKey, idKeyFile, idSecret, spoolDir } = config;
  if (idKeyFile !== undefined || !needsKey(config, selectFields(config))) return;
  try {
    if (idKey === 'kube-system') {
      yield warn(NAME, `--id-key kube-system: ${KUBE_SYSTEM_CONSEQUENCE}`);
      return;
    }
    const found = idSecret === undefined ? undefined : await checkKeySecret(idSecret, kube);
    if (found?.state === 'exists') yield ok(NAME, `the Secret ${found.secret} holds it`);
    else if (found?.state === 'can be created') yield ok(NAME, `the first report creates the Secret ${found.secret}`);
    else if (found?.state === 'can be written')
      yield ok(NAME, `the first report writes it to the Secret ${found.secret}`);
    if (found !== undefined && found.state !== 'not permitted') return;
    if (found !== undefined)
      yield warn(NAME, `it cannot be kept in the Secret ${found.secret}: that is not permitted. ${ROLE_ADVICE}`);
    yield await checkKeyFile(spoolDir);
  } catch (error) {
    yield fail(NAME, messageOf(error));
  }
}

async function checkKeyFile(spoolDir: string | undefined): Promise<Check> {
  if (spoolDir === undefined) return warn(NAME, RUN_KEY_WARNING);
  const file = path.join(spoolDir, KEY_FILE);
  const key = await readStoredKey(file);
  return ok(NAME, key === undefined ? `the first report creates ${file}` : `${file} holds it`);
}
