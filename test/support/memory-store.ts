import type { Outcome, ReportStore, StoreEntry } from '../../src/report/report-sink.ts';
import { entryDocument, type StoredDocument } from '../../src/report/stored-document.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { createPending } from '../../src/runtime/pending.ts';

/** A store in memory that behaves as a test says. */
export interface MemoryStore extends ReportStore {
  readonly documents: ReadonlyMap<string, StoredDocument>;
  /** From now on nothing that is put is answered. */
  hold(): void;
  /** Answers what was held, and everything from now on. */
  release(): void;
  /** From now on this report is answered so; no other is. */
  refuse(reportId: string, error: SpartakusError): void;
}

export function createMemoryStore(): MemoryStore {
  const documents = new Map<string, StoredDocument>();
  const refusals = new Map<string, SpartakusError>();
  const pending = createPending();
  let gate: PromiseWithResolvers<void> | undefined;
  const putOne = (entry: StoreEntry): Outcome => {
    const { document } = entryDocument(entry);
    const refusal = refusals.get(document._id);
    if (refusal !== undefined) return { status: 'failed', error: refusal };
    if (documents.has(document._id)) return { status: 'duplicate' };
    documents.set(document._id, document);
    return { status: 'stored' };
  };
  const put = async (entries: readonly StoreEntry[]): Promise<readonly Outcome[]> => {
    await gate?.promise;
    return entries.map(putOne);
  };
  const release = (): void => {
    gate?.resolve();
    gate = undefined;
  };
  return {
    documents,
    put: (entries) => pending.add(put(entries)),
    knows: (owner) =>
      Promise.resolve(
        [...documents.values()].some(({ clusterID, quarantined }) => clusterID === owner && quarantined === undefined),
      ),
    check: () => Promise.resolve(),
    close: () => pending.settled(),
    hold: () => (gate ??= Promise.withResolvers()),
    release,
    refuse: (reportId, error) => refusals.set(reportId, error),
  };
}
