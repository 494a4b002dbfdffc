import { openClientCredentials } from '../delivery/client-credentials.ts';
import { createCounters } from '../delivery/counters.ts';
import { openDatabase } from '../delivery/open-sink.ts';
import { openSpool } from '../delivery/spool/spool.ts';
import { DEFAULT_TIMEOUT_MS } from '../delivery/transport/sink.ts';
import { warnIfUnencrypted } from '../delivery/unencrypted.ts';
import { openKubernetesClient } from '../kubernetes/client.ts';
import { createRetryingClient, RETRY_LIMITS, type RetryLimits } from '../kubernetes/retrying-client.ts';
import { createHeartbeat } from '../runtime/heartbeat.ts';
import type { Logger } from '../runtime/logger.ts';
import { maskUrl } from '../runtime/mask.ts';
import { createAgreedSink } from './agreed-sink.ts';
import { logUnsentFields, selectFields, versionOf } from './gather/gather.ts';
import { AUTO_CLUSTER_ID, createIdKeyReader, isAnonymousUuid, isClusterIdHashed } from './gather/id-key.ts';
import { resolveIds } from './gather/id-scope.ts';
import { runOnce } from './one-shot.ts';
import type { VolunteerConfig, VolunteerEnd, VolunteerOptions, VolunteerRun } from './run.ts';
import { runPeriodically } from './schedule.ts';

export interface Volunteer {
  /** Resolves when the volunteer has ended; never rejects. */
  readonly done: Promise<VolunteerEnd>;
  readonly healthPort?: number;
  /** Ends a wait or a gathering at once, and a delivery within `graceMs`. Idempotent. */
  close(): Promise<void>;
}

/** Holds reports of a large cluster for weeks. */
const DEFAULT_SPOOL_BYTES = 16 * 2 ** 20;
const DEFAULT_ONE_SHOT_MS = 300_000;

/**
 * Gathers reports into the spool and delivers them, every period or, with a period of 0, once. Rejects with a SpartakusError `invalid` where
 * the proxy, certificates, token, spool directory, kubeconfig or health port is wrong.
 */
export async function startVolunteer(given: VolunteerConfig, options: VolunteerOptions): Promise<Volunteer> {
  const config = resolveIds(given);
  const { clock, logger, stdout, env, serviceAccountDir, randomBytes, random = Math.random, graceMs = 5000 } = options;
  const { database, spoolDir, spoolBytes = DEFAULT_SPOOL_BYTES, periodMs } = config;
  const isOneShot = periodMs === 0;
  const { timeoutMs = isOneShot ? DEFAULT_ONE_SHOT_MS : DEFAULT_TIMEOUT_MS } = config;
  const stop = new AbortController();
  const cancel = new AbortController();
  const ended = new AbortController();
  // Fails early where a report is impossible.
  const selection = selectFields(config);
  logUnsentFields(config, logger);
  const credentials = await openClientCredentials(config, database.spec);
  const counters = createCounters();
  const spool = await openSpool({ dir: spoolDir, maxBytes: spoolBytes }, { clock, logger, counters });
  const limits = isOneShot ? oneShotLimits(timeoutMs) : RETRY_LIMITS;
  const client = await openKubernetesClient(config, { env, clock, serviceAccountDir });
  const kube = createRetryingClient(client, { clock, random, logger, limits });
  const attemptMs = isOneShot ? Math.min(timeoutMs, DEFAULT_TIMEOUT_MS) : timeoutMs;
  const transport = { timeoutMs: attemptMs, credentials, env, signal: cancel.signal };
  const opened = await openDatabase(database, { stdout, schemaVersion: versionOf(config), ...transport });
  const made = new Set<string>();
  const sink = createAgreedSink(opened, selection, made);
  const readKey = createIdKeyReader(config, { kube, randomBytes, logger });
  const heartbeat = createHeartbeat(clock);
  const gathering = { heartbeat: createHeartbeat(clock), isReady: false };
  const delivery = { spool, sink, counters, random, timeoutMs, heartbeat };
  const shared = { config, options, kube, readKey, made, clock, logger, ...delivery };
  const run: VolunteerRun = { ...shared, gathering, stop: stop.signal, cancel };
  const health = await openHealth(run).catch(async (error: unknown) => {
    kube.close();
    await sink.close();
    throw error;
  });
  logger.info({ database: maskUrl(database.spec), periodMs }, 'The volunteer has started.');
  warnIfUnencrypted(database.spec, logger);
  logClusterId(config, logger);

  const finish = async (): Promise<VolunteerEnd> => {
    const end = await (isOneShot ? runOnce(run) : runPeriodically(run));
    kube.close();
    await sink.close();
    await spool.close();
    await health?.close();
    ended.abort();
    return end;
  };
  const done = finish();

  return {
    done,
    healthPort: health?.port,
    close: async () => {
      stop.abort();
      kube.close();
      await clock.sleep(graceMs, ended.signal);
      cancel.abort();
      await done;
    },
  };
}

/** The delivery needs the rest of the time. */
function oneShotLimits(timeoutMs: number): RetryLimits {
  const { totalMs, readyMs } = RETRY_LIMITS;
  return { totalMs: Math.min(totalMs, timeoutMs / 2), readyMs: Math.min(readyMs, timeoutMs / 4) };
}

/** A cluster id may describe the cluster, so the treatment of one that is not a random UUID is logged. */
function logClusterId(config: VolunteerConfig, logger: Logger): void {
  if (config.clusterId === AUTO_CLUSTER_ID || isAnonymousUuid(config.clusterId)) return;
  if (isClusterIdHashed(config))
    logger.info(
      {},
      'The cluster id is not a random UUID, so a keyed hash of it is sent. --cluster-id-verbatim sends it as it is.',
    );
  else
    logger.warn(
      {},
      'The cluster id is not a random UUID, and is sent as it is: it must not describe the cluster or a person.',
    );
}

async function openHealth({ config, gathering, heartbeat, counters, spool }: VolunteerRun) {
  const { healthPort: port } = config;
  if (port === undefined) return undefined;
  // Imported when used: a server takes 8 MiB of memory.
  const { openVolunteerHealth } = await import('./health-server.ts');
  return await openVolunteerHealth({
    port,
    isLive: () => gathering.heartbeat.isAlive() && heartbeat.isAlive(),
    isReady: () => gathering.isReady,
    counters,
    spoolSize: () => spool.size(),
  });
}
