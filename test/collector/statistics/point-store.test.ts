import { expect, test } from 'vitest';
import { createPointReader } from '../../../src/collector/statistics/point-store.ts';
import { parseDatabase } from '../../../src/collector/store/database-spec.ts';
import { openStore } from '../../../src/collector/store/open.ts';
import { makeTestDatabase } from '../../support/database.ts';

test('the whole values of a question are not read where its coarse ones are enough', async () => {
  const database = await makeTestDatabase();
  const options = { appName: 'test', storeTimeoutMs: 10_000, stdout: process.stdout };
  const store = await openStore(parseDatabase(database.spec), options);
  try {
    const db = await database.db();
    const [values, coarse] = ['v1.31.4', '1.31'].map((value) => [{ value, clusters: 7 }]);
    const answers = {
      masterVersion: { kind: 'values', reporting: 7, values, coarse },
      'nodes/osImage': { kind: 'values', reporting: 7, values },
    };
    const day = '2026-11-21';
    await db.collection<{ _id: string }>('statistics').insertOne({ _id: day, answers } as { _id: string });
    const read = async (coarseOnly: readonly string[]) =>
      (await createPointReader(() => db).read(day, day, ['masterVersion', 'nodes.osImage'], coarseOnly))[0]?.answers;
    expect(await read([])).toEqual(answers);
    expect(await read(['masterVersion', 'nodes.osImage'])).toEqual({
      masterVersion: { kind: 'values', reporting: 7, coarse },
      'nodes/osImage': { kind: 'values', reporting: 7, values },
    });
  } finally {
    await database.remove(() => store.close());
  }
});
