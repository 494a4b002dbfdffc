import { afterAll, beforeAll } from 'vitest';
import { parseDatabase } from '../../../../src/collector/store/database-spec.ts';
import { openStore } from '../../../../src/collector/store/open.ts';
import { limitsContract } from '../../../contract/limits.ts';
import { startCollectorOn } from '../../../support/collector.ts';
import { makeTestDatabase } from '../../../support/database.ts';
import { openDbProxy } from '../../../support/db-proxy.ts';
import { createMemoryStore } from '../../../support/memory-store.ts';

limitsContract('a store in memory', async (limits) => {
  const store = createMemoryStore();
  const collector = await startCollectorOn('memory', { limits }, { openStore: () => Promise.resolve(store) });
  return {
    url: collector.url,
    holdDatabase: () => store.hold(),
    releaseDatabase: () => Promise.resolve(store.release()),
    close: () => collector.close(),
  };
});

let database: Awaited<ReturnType<typeof makeTestDatabase>>;
let closeEngine: () => Promise<void>;

beforeAll(async () => {
  database = await makeTestDatabase();
  const engine = await openStore(parseDatabase(database.spec), {
    appName: 'spartakus-test',
    storeTimeoutMs: 10_000,
    stdout: process.stdout,
  });
  closeEngine = () => engine.close();
});

afterAll(() => database.remove(closeEngine));

limitsContract("MongoDB's engine", async (limits) => {
  const proxy = await openDbProxy(await database.uri());
  const collector = await startCollectorOn(proxy.uri, { limits });
  return {
    url: collector.url,
    holdDatabase: () => proxy.hold(),
    releaseDatabase: () => proxy.heal(),
    close: async () => {
      await collector.close();
      await proxy.close();
    },
  };
});
