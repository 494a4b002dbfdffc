import { chmod, mkdir, open, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { MongoClient } from 'mongodb';
import { expect, test } from 'vitest';
import { type Engine, startEngine } from '../../../../src/collector/store/engine/start-engine.ts';
import { openStore } from '../../../../src/collector/store/open.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';
import { createKeptLog } from '../../../support/log.ts';
import { putOne } from '../../../support/put-one.ts';
import { makeReport } from '../../../support/reports.ts';

const kill = (engine: Engine, signal: NodeJS.Signals): void => void process.kill(engine.pid ?? NaN, signal);

async function insert(engine: Engine): Promise<void> {
  const client = await new MongoClient(engine.uri).connect();
  await client.db().collection('things').insertOne({});
  await client.close();
}

test('an engine ignores SIGINT and SIGTERM, and closes on request without a trace', async () => {
  await withFiles({}, async (directory) => {
    const engine = await startEngine(directory);
    const socketDirectory = path.dirname(new MongoClient(engine.uri).options.hosts[0]?.socketPath ?? '');
    await expect(readdir(socketDirectory)).resolves.not.toStrictEqual([]);

    kill(engine, 'SIGINT');
    kill(engine, 'SIGTERM');
    await insert(engine);
    await Promise.all([engine.close(), engine.close()]);

    await expect(engine.exited).resolves.toBeUndefined();
    await expect(readdir(socketDirectory)).rejects.toThrow('ENOENT');
  });
});

test.runIf(process.platform === 'linux')('Ctrl-C in a terminal does not reach the engine', async () => {
  await withFiles({}, async (directory) => {
    const engine = await startEngine(directory);

    const [, , session] = (await readFile(`/proc/${engine.pid}/stat`, 'utf8')).replace(/^.*\) . /, '').split(' ');

    expect(session).toBe(String(engine.pid));
    await engine.close();
  });
});

test('an engine that is killed says so, and another one starts at the same address', async () => {
  await withFiles({ 'sockets/x': '' }, async (parent) => {
    const directory = path.join(parent, 'data');
    const socketDirectory = path.join(parent, 'sockets');
    await mkdir(directory);
    const first = await startEngine(directory, { socketDirectory });
    kill(first, 'SIGKILL');

    await expect(first.exited).resolves.toMatchObject({
      kind: 'unavailable',
      message: expect.stringMatching(/^the engine failed: its process ended with SIGKILL/) as unknown,
    });
    const second = await startEngine(directory, { socketDirectory });
    expect(second.uri).toBe(first.uri);
    await insert(second);
    await second.close();
  });
});

test('an engine waits for another process to close the database, and otherwise says that only one can open it', async () => {
  await withFiles({}, async (directory) => {
    const first = await startEngine(directory);

    const { message } = await failureOf(startEngine(directory, { lockTimeoutMs: 0 }));
    const second = startEngine(directory, { lockTimeoutMs: 30_000 });
    await first.close();
    await (await second).close();

    expect(message).toMatch(/Unable to lock the lock file.*Only one process can open it: .*\/mongodb-uri\)"/);
  });
});

test('a start that is aborted ends the process', async () => {
  await withFiles({}, async (directory) => {
    const first = await startEngine(directory);
    const abort = new AbortController();
    const second = startEngine(directory, { lockTimeoutMs: 60_000, signal: abort.signal });
    abort.abort();

    expect((await failureOf(second)).message).toBe('the start was aborted');
    await first.close();
  });
});

test('a directory that cannot be used is an error that does not speak of another process', async () => {
  await withFiles({ file: '' }, async (directory) => {
    const options = { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout };
    for (const name of ['file', 'file/below']) {
      const { message } = await failureOf(
        openStore({ kind: 'embedded', directory: path.join(directory, name) }, options),
      );

      expect(message).toMatch(
        /^--database embedded:\S+: E\w+: .*Name a directory that this user may write to, on a disk with free space\.$/,
      );
      expect(message).not.toContain('one process');
    }
  });
});

test('a damaged file is an error that names the directory and the way out', async () => {
  await withFiles({}, async (directory) => {
    await (await startEngine(directory)).close();
    const file = await open(path.join(directory, 'WiredTiger.wt'), 'r+');
    await file.write(Buffer.alloc(4096, 0xa5), 0, 4096, 0);
    await file.close();

    const { message } = await failureOf(startEngine(directory));

    expect(message).toContain(`a file of the database in ${directory} is damaged`);
    expect(message).toContain(`spartakus database check --database embedded:${directory}`);
  });
});

test('a store outlives its engine: reports are rejected at once until it runs again, and its files are private', async () => {
  await withFiles({}, async (parent) => {
    const directory = path.join(parent, 'data');
    await mkdir(directory);
    await chmod(directory, 0o755);
    const log = createKeptLog();
    const options = { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout, logger: log.logger };
    const store = await openStore({ kind: 'embedded', directory }, options);
    const uriFile = path.join(directory, 'mongodb-uri');
    const uri = await readFile(uriFile, 'utf8');
    const modeOf = async (file: string): Promise<number> => (await stat(file)).mode & 0o777;
    expect([await modeOf(directory), await modeOf(uriFile)]).toStrictEqual([0o700, 0o600]);
    const report = makeReport();
    await expect(putOne(store, report)).resolves.toStrictEqual({ status: 'stored' });

    expect(log.lines).toMatchObject([{ fields: { pid: expect.any(Number) as unknown } }]);
    for (const { fields } of log.lines) process.kill((fields as { readonly pid: number }).pid, 'SIGKILL');
    await expect.poll(() => log.messages('error')).toHaveLength(1);

    await expect(putOne(store, makeReport())).resolves.toMatchObject({
      error: { kind: 'unavailable', retryAfterMs: 5_000, message: 'the database is unavailable. Retry later.' },
    });
    await expect(store.check()).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(store.hasReportsFrom('x')).rejects.toMatchObject({ kind: 'unavailable' });
    await expect.poll(() => log.messages('info'), { timeout: 10_000 }).toHaveLength(2);
    await expect.poll(() => putOne(store, report), { timeout: 10_000 }).toStrictEqual({ status: 'duplicate' });
    await expect(readFile(uriFile, 'utf8')).resolves.toBe(uri);
    await store.close();
    await expect(readdir(directory)).resolves.not.toContain('mongodb-uri');
  });
});

test('an engine whose files are gone is not started on an empty database', async () => {
  await withFiles({}, async (parent) => {
    const directory = path.join(parent, 'data');
    const log = createKeptLog();
    const options = { appName: 'spartakus-test', storeTimeoutMs: 10_000, stdout: process.stdout, logger: log.logger };
    const store = await openStore({ kind: 'embedded', directory }, options);

    await rename(directory, path.join(parent, 'unmounted'));
    for (const { fields } of log.lines) process.kill((fields as { readonly pid: number }).pid, 'SIGKILL');

    await expect
      .poll(() => log.messages('error').slice(1), { timeout: 10_000 })
      .toContainEqual(expect.stringMatching(/the database is gone: .*WiredTiger\.wt'\. Mount or restore /) as unknown);
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' });
    await rename(path.join(parent, 'unmounted'), directory);
    await expect.poll(() => putOne(store), { timeout: 20_000 }).toStrictEqual({ status: 'stored' });
    await store.close();
  });
});

test('a configuration that makes commits less durable is an error at the start', async () => {
  await withFiles({ 'WiredTiger.config': 'transaction_sync=(enabled=false)\n' }, async (directory) => {
    const { message } = await failureOf(startEngine(directory));
    expect(message).toContain(`${path.join(directory, 'WiredTiger.config')}: sets transaction_sync`);
    await writeFile(path.join(directory, 'WiredTiger.config'), 'nonsense=1\n');
    expect((await failureOf(startEngine(directory))).kind).toBe('unavailable');
  });
});
