import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { gatherKubermaticRecord, type KubermaticGatherConfig } from '../../src/kubermatic/gather/gather-kubermatic.ts';
import { openKubernetesClient } from '../../src/kubernetes/client.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { createJumpingClock } from './jumping-clock.ts';
import { openServiceAccount } from './kube-api.ts';
import type { Installation } from './kubermatic-installation.ts';
import { createKeptLog, type KeptLog } from './log.ts';

/** The time of the records. */
export const NOW = new Date('2024-05-06T00:00:14.208Z');

/** A clock whose sleeps take no time. */
export const INSTANT_CLOCK: Clock = createJumpingClock(NOW);

/** Gathers a record as the agent does. */
export async function gatherFrom(
  installation: Installation,
  config: Partial<KubermaticGatherConfig> = {},
): Promise<{ record: KubermaticRecord; log: KeptLog }> {
  const account = await openServiceAccount();
  const log = createKeptLog();
  const kube = await openKubernetesClient(
    {},
    { env: installation.master.env, serviceAccountDir: account.dir, clock: INSTANT_CLOCK },
  );
  try {
    const record = await gatherKubermaticRecord(
      { uuid: 'hmac', idSecret: 'spartakus-kubermatic', machineDeployments: false, country: false, ...config },
      {
        kube,
        now: NOW,
        randomBytes: (length) => new Uint8Array(length),
        logger: log.logger,
        clock: INSTANT_CLOCK,
        signal: new AbortController().signal,
      },
    );
    return { record, log };
  } finally {
    kube.close();
    await account.close();
  }
}
