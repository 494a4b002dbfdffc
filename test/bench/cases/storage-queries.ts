import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import type { AggregationCursor, Collection, Db, Document, FindCursor } from 'mongodb';
import { inRoot } from '../processes.ts';

/** The queries of docs/queries.md that read reports. */
async function readQueries(): Promise<readonly string[]> {
  const page = await readFile(inRoot('docs/queries.md'), 'utf8');
  return [...page.matchAll(/```js\n([^]*?)```/g)]
    .map(([, code = '']) => code)
    .filter((code) => /^db\.reports\.(?:find|aggregate)\(/.test(code));
}

const PLAIN = 'plainReports';
const BATCH = 1_000;

/** Copies the reports to a collection with the same indexes and without compression. */
export async function copyPlain(db: Db): Promise<void> {
  const reports = db.collection('reports');
  const plain = await db.createCollection(PLAIN, {
    storageEngine: { wiredTiger: { configString: 'block_compressor=none' } },
  });
  const indexes = (await reports.indexes()).filter(({ name }) => name !== '_id_');
  await plain.createIndexes(indexes.map(({ v: _version, ...index }) => index));
  let batch: Document[] = [];
  for await (const document of reports.find()) {
    batch.push(document);
    if (batch.length < BATCH) continue;
    await plain.insertMany(batch);
    batch = [];
  }
  if (batch.length > 0) await plain.insertMany(batch);
}

async function timeQueries(queries: readonly string[], reports: Collection): Promise<number> {
  const startedAt = performance.now();
  for (const code of queries) {
    const cursor = runInNewContext(code, { db: { reports }, Date }) as FindCursor | AggregationCursor;
    await cursor.toArray();
  }
  return performance.now() - startedAt;
}

/** The milliseconds that the queries take, with and without compression. */
export interface QueryTimes {
  readonly compressed: number;
  readonly plain: number;
}

const WARM_RUNS = 3;

/**
 * Times the queries after a start of the engine, which then reads everything from files, and again, when it has read it. The order changes
 * with the round.
 */
export async function compareQueries(
  db: Db,
  round: number,
): Promise<{ readonly cold: QueryTimes; readonly warm: QueryTimes }> {
  const queries = await readQueries();
  const collections = { compressed: db.collection('reports'), plain: db.collection(PLAIN) };
  const order = (round % 2 === 0 ? ['compressed', 'plain'] : ['plain', 'compressed']) as (keyof QueryTimes)[];
  // The first command of a connection takes longer.
  await db.command({ ping: 1 });
  const [cold, warm] = [
    { compressed: 0, plain: 0 },
    { compressed: 0, plain: 0 },
  ];
  for (const name of order) cold[name] = await timeQueries(queries, collections[name]);
  for (let run = 0; run < WARM_RUNS; run += 1)
    for (const name of order) warm[name] += (await timeQueries(queries, collections[name])) / WARM_RUNS;
  return { cold, warm };
}
