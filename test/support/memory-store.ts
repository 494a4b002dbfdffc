import { documentOf } from '../../src/collector/store/encoded-document.ts';
import type { Outcome, ReportStore, StoreEntry } from '../../src/report/report-sink.ts';
import type { StoredDocument } from '../../src/report/stored-document.ts';
import { SpartakusError } from '../../src/runtime/errors.ts';
import { createPending } from '../../src/runtime/pending.ts';

/** A store in memory that tests control. */
export interface MemoryStore extends ReportStore {
  readonly documents: ReadonlyMap<string, StoredDocument>;
  /** Forgets all documents. */
  clear(): void;
  /** Makes puts wait. */
  hold(): void;
  /** Lets waiting puts, and all that follow, proceed. */
  release(): void;
  /** Makes puts of this report fail with this error. */
  reject(reportId: string, error: SpartakusError): void;
}

export function createMemoryStore(): MemoryStore {
  const documents = new Map<string, StoredDocument>();
  const rejections = new Map<string, SpartakusError>();
  const pending = createPending();
  let held: PromiseWithResolvers<void> | undefined;
  const putOne = (entry: StoreEntry): Outcome => {
    const { document } = documentOf(entry);
    const rejection = rejections.get(document._id);
    if (rejection !== undefined) return { status: 'failed', error: rejection };
    if (documents.has(document._id)) return { status: 'duplicate' };
    documents.set(document._id, document);
    return { status: 'stored' };
  };
  const put = async (entries: readonly StoreEntry[]): Promise<readonly Outcome[]> => {
    await held?.promise;
    return entries.map(putOne);
  };
  const release = (): void => {
    held?.resolve();
    held = undefined;
  };
  return {
    documents,
    clear: () => documents.clear(),
    put: (entries) => pending.add(put(entries)),
    hasReportsFrom: (id) =>
      Promise.resolve(
        [...documents.values()].some(({ clusterID, quarantined }) => clusterID === id && quarantined === undefined),
      ),
    check: () => Promise.resolve(),
    close: () => pending.settled(),
    hold: () => (held ??= Promise.withResolvers()),
    release,
    reject: (reportId, error) => rejections.set(reportId, error),
  };
}
