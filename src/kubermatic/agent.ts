import { toJson } from '@bufbuild/protobuf';
import { type Record as KubermaticRecord, RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type KubeConfig, openKubeClient } from '../kubernetes/client.ts';
import type { Files } from '../runtime/atomic-file.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { logFailure, type Logger } from '../runtime/logger.ts';
import { gatherKubermaticRecord, type KubermaticGatherConfig } from './gather/gather-kubermatic.ts';
import { gatherKubernetesRecord } from './gather/gather-record.ts';
import { openRecordDir } from './record-dir.ts';

export interface AgentConfig extends KubermaticGatherConfig, KubeConfig {
  /** What the record is about: this cluster, or the installation of Kubermatic whose master it is. */
  readonly kind: 'kubernetes' | 'kubermatic';
  /** --record-dir */
  readonly recordDir: string;
}

export interface AgentOptions {
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly logger: Logger;
  readonly env: NodeJS.ProcessEnv;
  /** Where the pod's service account is mounted, where it is not the usual place. */
  readonly serviceAccountDir?: string;
  /** What writes the file, where it is not the machine. */
  readonly files?: Files;
}

/** How an agent ended. */
export type AgentEnd =
  | { readonly status: 'written'; readonly file: string }
  /** There is no file; the log says the same. */
  | { readonly status: 'failed'; readonly error: SpartakusError };

export interface Agent {
  /** Resolves when the record is written, or is not; never rejects. */
  readonly done: Promise<AgentEnd>;
  /** Ends what is under way; resolves when all is closed. Idempotent. */
  close(): Promise<void>;
}

/** Letters and digits that cannot be taken for one another or make a word, as Kubernetes has in names that it makes up. */
const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * The agent: reads the cluster, and writes one record as a file, whole or not at all. The file is the JSON of its message in the released
 * spelling, so Kubermatic's own reporter can send it as well.
 *
 * Rejects with a SpartakusError `invalid` where the kubeconfig or its context cannot be used.
 */
export async function startAgent(config: AgentConfig, options: AgentOptions): Promise<Agent> {
  const { clock, randomBytes, logger, env, serviceAccountDir, files } = options;
  const stop = new AbortController();
  const kube = await openKubeClient(config, { env, clock, serviceAccountDir });
  const dir = openRecordDir(config.recordDir, { now: () => clock.now(), files });

  const run = async (): Promise<AgentEnd> => {
    try {
      const now = clock.now();
      const gather = config.kind === 'kubermatic' ? gatherKubermaticRecord : gatherKubernetesRecord;
      const record = await gather(config, { kube, now, random: randomBytes(16), logger, clock, signal: stop.signal });
      const file = nameOf(now, randomBytes(6));
      await dir.write(file, `${recordText(record)}\n`);
      logger.info({ file, missing: record.missing.length }, 'The record is written.');
      return { status: 'written', file };
    } catch (thrown) {
      const error = SpartakusError.from(thrown);
      logFailure(logger, stop.signal, { kind: error.kind }, `No record was written: ${error.message}`);
      return { status: 'failed', error };
    } finally {
      kube.close();
    }
  };
  const done = run();
  return {
    done,
    close: async () => {
      stop.abort();
      kube.close();
      await done;
    },
  };
}

/** The name that the released agents give: the time by which names are in the order of age, and six letters. */
function nameOf(now: Date, random: Uint8Array): string {
  const letters = Array.from(random, (byte) => NAME_LETTERS[byte % NAME_LETTERS.length]).join('');
  return `record-${now.toISOString().slice(0, 19).replaceAll(':', '-')}-${letters}.json`;
}

function recordText(record: KubermaticRecord): string {
  return JSON.stringify(toJson(RecordSchema, record, { useProtoFieldName: true }));
}
