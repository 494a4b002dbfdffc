import { SpartakusError } from '../../src/runtime/errors.ts';
import { createMemoryStore } from '../support/memory-store.ts';
import { reportSinkContract } from './report-sink.ts';

reportSinkContract(
  'the in-memory store',
  () => {
    const store = createMemoryStore();
    return Promise.resolve({
      sink: store,
      reject: ({ reportId }, kind) =>
        store.reject(reportId, new SpartakusError(kind === 'permanent' ? 'invalid' : 'unavailable', 'rejected')),
      storedClusterIds: () => Promise.resolve([...store.documents.values()].map(({ clusterID }) => String(clusterID))),
      close: () => store.close(),
    });
  },
  { duplicates: true, rejections: ['permanent', 'retryable'] },
);
