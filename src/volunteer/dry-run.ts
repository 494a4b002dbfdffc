import { openStdoutSink } from '../delivery/transport/stdout.ts';
import { openKubernetesClient } from '../kubernetes/client.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { gatherReport, logUnsentFields, versionOf } from './gather/gather.ts';
import { createIdKeyReader } from './gather/id-key.ts';
import { resolveIds } from './gather/id-scope.ts';
import type { VolunteerConfig, VolunteerEnd, VolunteerOptions } from './run.ts';

/**
 * Gathers one report as startVolunteer() would, and prints what would be sent of it, as JSON. Connects to the Kubernetes API and nowhere
 * else, and only reads: ids are made with the key that is kept, or with one for this run, and the spool is neither read nor written. Rejects
 * as openKubernetesClient() does.
 */
export async function runDry(given: VolunteerConfig, options: VolunteerOptions): Promise<VolunteerEnd> {
  const config = resolveIds(given);
  const { version, clock, randomBytes, logger, stdout, env, serviceAccountDir, pageSize } = options;
  const kube = await openKubernetesClient(config, { env, clock, serviceAccountDir });
  try {
    logUnsentFields(config, logger);
    const [now, random] = [clock.now(), randomBytes(16)];
    const readKey = createIdKeyReader(config, { kube, randomBytes, logger, readOnly: true });
    const report = await gatherReport(config, { kube, readKey, version, now, random, sequence: 1, logger, pageSize });
    const [outcome] = await openStdoutSink(stdout, versionOf(config)).put([{ report }]);
    if (outcome?.status === 'failed') throw outcome.error;
    return { status: 'stored' };
  } catch (thrown) {
    const error = SpartakusError.from(thrown);
    const { kind, field, message } = error;
    logger.error({ kind, field }, `No report was made: ${message}`);
    return { status: 'failed', error };
  } finally {
    kube.close();
  }
}
