import { openEmbeddedStore } from '../../../src/collector/store/embedded.ts';
import { insertDay, type Sent, sizesOf } from '../database-fill.ts';
import { spreadOf } from '../rounds.ts';
import { createReports } from '../statistics-reports.ts';
import { type BenchCase, withDirectory } from './case.ts';

const DAY_MS = 86_400_000;
const DAYS = 30;
const CLUSTERS = 1_000;
const QUICK = { days: 5, clusters: 200 };
const TIMEOUTS = { connectTimeoutMs: 5_000, storeTimeoutMs: 600_000 };
const TARGET = 0.1;

/** What a month of daily reports takes on disk, by the bytes of their JSON. */
export const STORAGE_CASE: BenchCase = {
  id: 'storage',
  title: `Storage of ${DAYS} daily reports of ${CLUSTERS.toLocaleString('en-US')} clusters`,
  run: (context) =>
    withDirectory(async (directory) => {
      const { days, clusters } = context.isQuick ? QUICK : { days: DAYS, clusters: CLUSTERS };
      const open = () => openEmbeddedStore({ directory, appName: 'bench', ...TIMEOUTS });
      const now = new Date();
      const reports = createReports(clusters, now, now);
      const startMs = Math.floor(now.getTime() / DAY_MS) * DAY_MS - days * DAY_MS;
      let store = await open();
      const sent: Sent[] = [];
      for (let day = 0; day < days; day += 1) {
        context.progress(`day ${day + 1} of ${days}`);
        sent.push(await insertDay((entries) => store.put(entries), reports, clusters, startMs + day * DAY_MS));
      }
      // The files have their size after a checkpoint.
      await store.close();
      store = await open();
      const { count, size, storageSize, indexSizes } = await sizesOf(store.database(), 'reports');
      await store.close();
      const json = sent.reduce((sum, { jsonBytes }) => sum + jsonBytes, 0);
      const indexes = Object.values(indexSizes).reduce((sum, bytes) => sum + bytes, 0);
      const row = (name: string, bytes: number) => ({ name, figures: { 'bytes a report': spreadOf([bytes / count]) } });
      return {
        rows: [
          row('sent, as JSON', json),
          row('BSON, with its facts', size),
          row('stored, compressed with zstd', storageSize),
          row('indexes', indexes),
        ],
        ratios: [
          {
            id: 'stored',
            label: 'stored, of the JSON sent',
            value: spreadOf([storageSize / json]),
            better: 'lower',
            target: TARGET,
          },
          {
            id: 'stored-and-indexes',
            label: 'stored with indexes, of the JSON sent',
            value: spreadOf([(storageSize + indexes) / json]),
            better: 'lower',
          },
        ],
      };
    }),
};
