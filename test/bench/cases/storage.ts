import { openEmbeddedStore } from '../../../src/collector/store/embedded.ts';
import { insertDay, type Sent, sizesOf } from '../database-fill.ts';
import { ratio, spreadOf } from '../rounds.ts';
import { createReports } from '../statistics-reports.ts';
import { type BenchCase, withDirectory } from './case.ts';
import { compareQueries, copyPlain, type QueryTimes } from './storage-queries.ts';

const DAY_MS = 86_400_000;
const DAYS = 30;
const CLUSTERS = 1_000;
const QUICK = { days: 5, clusters: 200 };
const TIMEOUTS = { connectTimeoutMs: 5_000, storeTimeoutMs: 600_000 };
const TARGET = 0.1;
/** No slower: what differs from round to round is allowed. */
const QUERY_TARGET = 1.05;
const QUERY_ROUNDS = 5;

const queryRow = (name: string, values: readonly number[]) => ({ name, figures: { ms: spreadOf(values) } });

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
      await copyPlain(store.database());
      // The files have their size after a checkpoint. Each round reads them again.
      const times: Awaited<ReturnType<typeof compareQueries>>[] = [];
      for (let round = 0; round < (context.isQuick ? 2 : QUERY_ROUNDS); round += 1) {
        await store.close();
        store = await open();
        times.push(await compareQueries(store.database(), round));
      }
      const { count, size, storageSize, indexSizes } = await sizesOf(store.database(), 'reports');
      await store.close();
      const pick = (state: 'cold' | 'warm', name: keyof QueryTimes): readonly number[] =>
        times.map((each) => each[state][name]);
      const json = sent.reduce((sum, { jsonBytes }) => sum + jsonBytes, 0);
      const indexes = Object.values(indexSizes).reduce((sum, bytes) => sum + bytes, 0);
      const row = (name: string, bytes: number) => ({ name, figures: { 'bytes a report': spreadOf([bytes / count]) } });
      return {
        rows: [
          row('sent, as JSON', json),
          row('BSON, with its facts', size),
          row('stored, compressed with zstd', storageSize),
          row('indexes', indexes),
          queryRow('queries of docs/queries.md, compressed', pick('warm', 'compressed')),
          queryRow('the same without compression', pick('warm', 'plain')),
          queryRow('first queries after a start, compressed', pick('cold', 'compressed')),
          queryRow('the same without compression', pick('cold', 'plain')),
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
          {
            id: 'queries',
            label: 'time of the queries, of that without compression',
            value: ratio(pick('warm', 'compressed'), pick('warm', 'plain')),
            better: 'lower',
            target: QUERY_TARGET,
          },
          {
            id: 'first-queries',
            label: 'time of the first queries after a start, of that without compression',
            value: ratio(pick('cold', 'compressed'), pick('cold', 'plain')),
            better: 'lower',
          },
        ],
      };
    }),
};
