import type { Record as KubermaticRecord } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { gatherKubermaticRecord, type KubermaticGatherConfig } from '../../src/kubermatic/gather/gather-kubermatic.ts';
import { openKubeClient } from '../../src/kubernetes/client.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { openServiceAccount } from './kube-api.ts';
import type { Installation } from './kubermatic-installation.ts';
import { createKeptLog, type KeptLog } from './log.ts';

/** When the records of tests are made. */
export const NOW = new Date('2024-05-06T00:00:14.208Z');

/** A clock on which waiting takes no time. */
export const HASTY: Clock = { now: () => NOW, sleep: () => Promise.resolve() };

/** Gathers a record as the agent does, and what it logged. */
export async function gatherFrom(
  installation: Installation,
  config: Partial<KubermaticGatherConfig> = {},
): Promise<{ record: KubermaticRecord; log: KeptLog }> {
  const account = await openServiceAccount();
  const log = createKeptLog();
  const kube = await openKubeClient({}, { env: installation.master.env, serviceAccountDir: account.dir, clock: HASTY });
  try {
    const record = await gatherKubermaticRecord(
      { uuid: 'hmac', machineDeployments: false, ...config },
      {
        kube,
        now: NOW,
        random: new Uint8Array(16),
        logger: log.logger,
        clock: HASTY,
        signal: new AbortController().signal,
      },
    );
    return { record, log };
  } finally {
    kube.close();
    await account.close();
  }
}
