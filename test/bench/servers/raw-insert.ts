import http from 'node:http';
import process from 'node:process';
import { createFactMaker } from '../../../src/collector/statistics/facts.ts';
import { openEmbeddedStore } from '../../../src/collector/store/embedded.ts';
import { createReportId } from '../../../src/report/report-id.ts';
import { entryDocument } from '../../../src/report/stored-document.ts';
import { listen } from '../../support/listen.ts';
import { makeLoadReport } from '../load/payloads.ts';

/**
 * A baseline: MongoDB's driver inserts the documents that the collector stores for the load generator's reports, with the same durability,
 * into a database of its own with the collector's collections and indexes. The documents are made before.
 *
 * Arguments: a folder for the database, and the nodes of a report. It prints a port; a request to /?seconds=N inserts for N seconds.
 */
const [directory = '', nodes = '1'] = process.argv.slice(2);
/** As the collector's: createIngest. */
const MAX_BATCH_REPORTS = 1_000;
const MAX_BATCH_BYTES = 8 * 1024 * 1024;
const WRITES_IN_FLIGHT = 2;

const store = await openEmbeddedStore({ directory, appName: 'bench', connectTimeoutMs: 5_000, storeTimeoutMs: 60_000 });
const collection = store.database().collection<{ _id: string }>('reports');
const report = makeLoadReport(Number(nodes));
const receivedAt = new Date();
const facts = createFactMaker()(report, { receivedAt, dialect: 'report' });
const { document } = entryDocument({ report, receivedAt, facts, origin: { protocol: 'grpc' } });
const bytes = JSON.stringify(document).length;
const batchReports = Math.max(1, Math.min(MAX_BATCH_REPORTS, Math.floor(MAX_BATCH_BYTES / bytes)));

async function insertFor(seconds: number) {
  const startedAt = performance.now();
  let answered = 0;
  const insert = async (): Promise<void> => {
    while (performance.now() - startedAt < seconds * 1000) {
      const documents = Array.from({ length: batchReports }, () => ({
        ...document,
        _id: createReportId(receivedAt, crypto.getRandomValues(new Uint8Array(16))),
      }));
      const { insertedCount } = await collection.insertMany(documents, { ordered: false });
      answered += insertedCount;
    }
  };
  await Promise.all(Array.from({ length: WRITES_IN_FLIGHT }, insert));
  const elapsed = (performance.now() - startedAt) / 1000;
  return { answered, succeeded: answered, seconds: elapsed, p50: Number.NaN, p99: Number.NaN };
}

const server = http.createServer((request, response) => {
  const seconds = Number(new URL(request.url ?? '/', 'http://localhost').searchParams.get('seconds'));
  void insertFor(seconds).then((result) => response.end(JSON.stringify(result)));
});
process.stdout.write(`${await listen(server)}\n`);
process.once('SIGTERM', () => void store.close().then(() => process.exit(0)));
