import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type DatabaseStore, openMongoStore } from '../../../src/collector/store/mongo-store.ts';
import { cursorOf, type FakeMongodb, fails, openFakeMongodb } from '../../support/fake-mongodb.ts';
import { makeReport } from '../../support/reports.ts';

/** The driver's own retries would hide those of the store. */
const QUERY =
  '&retryWrites=false&retryReads=false&heartbeatFrequencyMS=500&minHeartbeatFrequencyMS=1&socketTimeoutMS=20000';
const NOT_PRIMARY = fails(10_107, 'NotWritablePrimary');

let server: FakeMongodb;
let store: DatabaseStore;

const openOn = (uri: string, storeTimeoutMs = 10_000): Promise<DatabaseStore> =>
  openMongoStore({
    appName: 'spartakus-test',
    connectTimeoutMs: 2_000,
    storeTimeoutMs,
    init: () => Promise.resolve(),
    uri: `${uri}${QUERY}`,
  });

beforeEach(async () => {
  server = await openFakeMongodb();
  server.describe({});
  store = await openOn(server.replicaSetUri);
});

afterEach(async () => {
  await store.close();
  await server.close();
});

const put = async () => (await store.put([{ report: makeReport(), receivedAt: new Date(0) }]))[0];
const inserts = (): number => server.sent('insert').length;

/** The first so many commands of a name fail so. */
function failFirst(count: number, name: string, response: ReturnType<typeof fails> | 'reset' = NOT_PRIMARY): void {
  let left = count;
  server.on((_command, each) => {
    if (each !== name || left === 0) return undefined;
    left -= 1;
    return response;
  });
}

describe('in a replica set', () => {
  test.each([
    ['by the server, which is not the primary any more', NOT_PRIMARY],
    ['by a broken connection', 'reset' as const],
  ])('a write that is interrupted %s is sent again', async (_what, response) => {
    failFirst(2, 'insert', response);

    await expect(put()).resolves.toStrictEqual({ status: 'stored' });
    expect(inserts()).toBe(3);
  });

  test('a write is sent four times at most, and fails as retryable', async () => {
    failFirst(10, 'insert');

    await expect(put()).resolves.toMatchObject({
      status: 'failed',
      error: { kind: 'unavailable', cause: { code: 10_107 } },
    });
    expect(inserts()).toBe(4);
  });

  test('a write that fails for another reason is sent once', async () => {
    failFirst(10, 'insert', fails(14_031, 'OutOfDiskSpace'));

    await expect(put()).resolves.toMatchObject({ error: { kind: 'unavailable' } });
    expect(inserts()).toBe(1);
  });

  test('a document that an interrupted write has stored is a duplicate of the next attempt', async () => {
    let attempts = 0;
    server.on((_command, name) => {
      if (name !== 'insert') return undefined;
      attempts += 1;
      return attempts === 1
        ? 'reset'
        : { ok: 1, n: 0, writeErrors: [{ index: 0, code: 11_000, errmsg: 'E11000 duplicate key' }] };
    });

    await expect(put()).resolves.toStrictEqual({ status: 'duplicate' });
  });

  test('all attempts have the time of one, and the first interruption is the cause', async () => {
    await store.close();
    store = await openOn(server.replicaSetUri, 1_000);
    let attempts = 0;
    server.on((_command, name) => {
      if (name !== 'insert') return undefined;
      attempts += 1;
      return attempts === 1 ? NOT_PRIMARY : 'no response';
    });

    await expect(put()).resolves.toMatchObject({ error: { kind: 'unavailable', cause: { code: 10_107 } } });
    expect(attempts).toBe(2);
  });

  test('a lookup and the write of a check are repeated as well', async () => {
    failFirst(1, 'aggregate');
    await expect(store.hasReportsFrom('a')).resolves.toBe(false);
    // A report that was not stored makes the check write.
    failFirst(10, 'insert', fails(14_031, 'OutOfDiskSpace'));
    await put();
    const before = server.sent('update').length;
    failFirst(1, 'update');

    await expect(store.check()).resolves.toBeUndefined();

    expect(server.sent('update')).toHaveLength(before + 2);
  });

  test('a lookup that is interrupted again and again is retryable', async () => {
    failFirst(100, 'aggregate');

    await expect(store.hasReportsFrom('a')).rejects.toMatchObject({ kind: 'unavailable', cause: { code: 10_107 } });
  });

  test('a listener hears when a server takes writes again, and nothing else', async () => {
    // Another member is down.
    const [, address = ''] = /^mongodb:\/\/([^/]+)/.exec(server.uri) ?? [];
    const hosts = [address, '127.0.0.1:1'];
    await store.close();
    server.describe({ hosts });
    store = await openOn(server.replicaSetUri);
    let recoveries = 0;
    store.onRecovery?.(() => (recoveries += 1));
    const answered = async (): Promise<void> => {
      server.on(() => cursorOf([]));
      await store.hasReportsFrom('a');
    };
    await answered();
    expect(recoveries).toBe(0);

    server.describe({ hosts, isWritablePrimary: false, secondary: true });
    failFirst(1, 'insert');
    const stored = put();
    await expect.poll(() => inserts()).toBe(1);
    expect(recoveries).toBe(0);
    server.describe({ hosts });

    await expect(stored).resolves.toStrictEqual({ status: 'stored' });
    expect(recoveries).toBe(1);
  });
});

test('with a single server an interrupted write fails at once, since no other takes over', async () => {
  await store.close();
  store = await openOn(server.uri);
  failFirst(10, 'insert');

  await expect(put()).resolves.toMatchObject({ error: { kind: 'unavailable', cause: { code: 10_107 } } });
  expect(inserts()).toBe(1);
});

test('a write without a response fails after the time for it, and says so in the cause', async () => {
  await store.close();
  store = await openOn(server.uri, 400);
  server.on((_command, name) => (name === 'insert' ? 'no response' : undefined));

  await expect(put()).resolves.toMatchObject({
    error: {
      kind: 'unavailable',
      cause: { message: expect.stringMatching(/^no answer within (399|400) ms$/) as string },
    },
  });
});
