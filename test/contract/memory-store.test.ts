import { SpartakusError } from '../../src/runtime/errors.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { reportSinkContract } from './report-sink.ts';

/** The double keeps what it doubles for. */
reportSinkContract(
  'the store in memory',
  () => {
    const store = createMemoryStore();
    return Promise.resolve({
      sink: store,
      refuse: ({ reportId }, how) =>
        store.refuse(reportId, new SpartakusError(how === 'permanent' ? 'invalid' : 'unavailable', 'no')),
      storedClusterIds: () => Promise.resolve([...store.documents.values()].map(({ clusterID }) => String(clusterID))),
      close: () => store.close(),
    });
  },
  { duplicates: true, refusals: ['permanent', 'retryable'] },
);
