import { toJson } from '@bufbuild/protobuf';
import { RecordSchema } from '../../gen/spartakus/kubermatic/v1/record_pb.js';
import { type KubernetesConfig, openKubernetesClient } from '../kubernetes/client.ts';
import { createRetryingClient } from '../kubernetes/retrying-client.ts';
import { createRecordSelection } from '../report/field-selection.ts';
import { logNewerFields, RECORDS_COMMAND } from '../report/newer-fields.ts';
import { listFields } from '../report/schema-fields.ts';
import { DEFAULT_AGREED_VERSION } from '../report/schema-version.ts';
import type { Files } from '../runtime/atomic-file.ts';
import type { Clock } from '../runtime/clock.ts';
import { SpartakusError } from '../runtime/errors.ts';
import { logFailure, type Logger } from '../runtime/logger.ts';
import { gatherKubermaticRecord, type KubermaticGatherConfig } from './gather/gather-kubermatic.ts';
import { gatherKubernetesRecord } from './gather/gather-kubernetes.ts';
import { openRecordDir } from './record-dir.ts';

export interface AgentConfig extends KubermaticGatherConfig, KubernetesConfig {
  /** The subject of the record: this cluster, or the installation of Kubermatic with this master cluster. */
  readonly kind: 'kubernetes' | 'kubermatic';
  readonly recordDir: string;
}

interface AgentOptions {
  readonly clock: Clock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly random?: () => number;
  readonly logger: Logger;
  readonly env: NodeJS.ProcessEnv;
  readonly serviceAccountDir?: string;
  readonly files?: Files;
}

type AgentEnd =
  | { readonly status: 'written'; readonly file: string }
  | { readonly status: 'failed'; readonly error: SpartakusError };

export interface Agent {
  /** Resolves when the agent has ended; never rejects. */
  readonly done: Promise<AgentEnd>;
  /** Cancels requests in progress; resolves when the agent has ended. Idempotent. */
  close(): Promise<void>;
}

/** The alphabet of names that Kubernetes generates. */
const NAME_LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * Reads the cluster and writes one record file atomically, as JSON with proto field names, which Kubermatic's own reporter can send as well.
 * Rejects with a SpartakusError `invalid` where the kubeconfig or its context is wrong.
 */
export async function startAgent(config: AgentConfig, options: AgentOptions): Promise<Agent> {
  const { clock, randomBytes, random = Math.random, logger, env, serviceAccountDir, files } = options;
  const stop = new AbortController();
  const client = await openKubernetesClient(config, { env, clock, serviceAccountDir });
  const kube = createRetryingClient(client, { clock, random, logger });
  const dir = openRecordDir(config.recordDir, { now: () => clock.now(), files });

  // Fails early where a record is impossible.
  createRecordSelection(config.agree);
  logNewerFields(logger, listFields(RecordSchema), config.agree ?? DEFAULT_AGREED_VERSION, RECORDS_COMMAND);

  const run = async (): Promise<AgentEnd> => {
    try {
      const now = clock.now();
      const gather = config.kind === 'kubermatic' ? gatherKubermaticRecord : gatherKubernetesRecord;
      const { signal } = stop;
      const record = await gather(config, { kube, now, randomBytes, randomNumber: random, logger, clock, signal });
      const file = nameOf(now, randomBytes(6));
      await dir.write(file, `${JSON.stringify(toJson(RecordSchema, record, { useProtoFieldName: true }))}\n`);
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

/** As Kubermatic's agents name it: the time, by which names sort by age, and six letters. */
function nameOf(now: Date, random: Uint8Array): string {
  const letters = Array.from(random, (byte) => NAME_LETTERS[byte % NAME_LETTERS.length]).join('');
  return `record-${now.toISOString().slice(0, 19).replaceAll(':', '-')}-${letters}.json`;
}
