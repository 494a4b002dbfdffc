import type { ChildProcess } from 'node:child_process';
import { EventEmitter, getEventListeners } from 'node:events';
import { readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { EngineMessage } from '../../../../src/collector/store/engine/engine-process.ts';
import { type Engine, startEngine } from '../../../../src/collector/store/engine/start-engine.ts';
import { failureOf } from '../../../support/failure.ts';
import { withFiles } from '../../../support/files.ts';

/** A process of an engine as its parent sees it. */
class FakeProcess extends EventEmitter {
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly pid = 4_711;
  readonly sent: unknown[] = [];
  connected = true;

  send(message: unknown): void {
    this.sent.push(message);
  }

  say(message: EngineMessage): void {
    this.emit('message', message);
  }

  end(code: number | null, signal: NodeJS.Signals | null = null): void {
    this.connected = false;
    this.emit('close', code, signal);
  }
}

let child: FakeProcess;
let args: readonly string[];
let started: PromiseWithResolvers<void>;

beforeEach(() => {
  child = new FakeProcess();
  started = Promise.withResolvers();
});
afterEach(() => vi.unstubAllEnvs());

const startProcess = (given: readonly string[]): ChildProcess => {
  args = given;
  started.resolve();
  return child as unknown as ChildProcess;
};
const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** Calls `use` with an empty directory for a database and one for temporary files. */
async function withDirectories(use: (data: string, temporary: string) => Promise<void>): Promise<void> {
  await withFiles({ 'data/x': '', 'tmp/x': '' }, async (dir) => {
    vi.stubEnv('TMPDIR', path.join(dir, 'tmp'));
    await use(path.join(dir, 'data'), path.join(dir, 'tmp'));
  });
}

async function startReady(data: string, options: Parameters<typeof startEngine>[1] = {}): Promise<Engine> {
  const engine = startEngine(data, { startProcess, ...options });
  await started.promise;
  child.say({ state: 'ready' });
  return await engine;
}

test('the process has the directory, a socket in a directory of its own, and the time to wait for the lock', async () => {
  await withDirectories(async (data, temporary) => {
    const relative = path.relative(process.cwd(), data);

    const engine = await startReady(relative);

    const [directory, socket = '', lockTimeoutMs] = args;
    expect([directory, lockTimeoutMs]).toStrictEqual([data, '3000']);
    expect(path.dirname(path.dirname(socket))).toBe(temporary);
    expect(path.basename(socket)).toBe('mongodb.sock');
    expect(engine.uri).toBe(`mongodb://${encodeURIComponent(socket)}/spartakus?directConnection=true`);
    expect(engine.pid).toBe(4_711);
    await expect(readFile(path.join(data, 'WiredTiger.config'), 'utf8')).resolves.toContain('enabled=true');

    child.end(0);
    await engine.exited;
    await expect(readdir(temporary)).resolves.toStrictEqual(['x']);
  });
});

test('an engine ends also where the directory of its socket was removed meanwhile', async () => {
  await withDirectories(async (data) => {
    const engine = await startReady(data);
    await rm(path.dirname(args[1] ?? ''), { recursive: true });

    child.end(0);

    await expect(engine.exited).resolves.toMatchObject({ kind: 'unavailable' });
  });
});

test('a directory for the socket that was given is used, and stays', async () => {
  await withDirectories(async (data, temporary) => {
    const engine = await startReady(data, { socketDirectory: temporary, lockTimeoutMs: 7 });

    expect(args).toStrictEqual([data, path.join(temporary, 'mongodb.sock'), '7']);
    child.end(0);
    await engine.exited;
    await expect(readdir(temporary)).resolves.toStrictEqual(['x']);
  });
});

test('close asks the process to close the database, and waits until it has ended', async () => {
  await withDirectories(async (data) => {
    const engine = await startReady(data);
    let isClosed = false;
    const closed = engine.close().then(() => (isClosed = true));
    await settle();

    expect([child.sent, isClosed]).toStrictEqual([['close'], false]);
    child.end(0);
    await closed;
    await expect(engine.exited).resolves.toBeUndefined();

    // The connection to the process has ended with it.
    await engine.close();
    expect(child.sent).toHaveLength(1);
  });
});

test('a process that ends by itself says with what, and with the last that it printed', async () => {
  await withDirectories(async (data) => {
    const engine = await startReady(data);
    child.stdout.write(`${'x'.repeat(3_000)}first `);
    child.stderr.write('second\n');
    await settle();
    child.end(null, 'SIGSEGV');

    const { kind, message = '' } = (await engine.exited) ?? {};

    expect(kind).toBe('unavailable');
    expect(message).toMatch(/^the engine failed: its process ended with SIGSEGV; its last output: x+first second\.$/);
    expect(message.replaceAll(/[^x]/g, '')).toHaveLength(2_000 - 'first second\n'.length);
  });
});

test('a process that ends before it is ready is the error of the start, with its directory removed', async () => {
  await withDirectories(async (data, temporary) => {
    const failure = failureOf(startEngine(data, { startProcess }));
    await started.promise;
    child.end(3);

    expect((await failure).message).toBe('the engine failed: its process ended with exit code 3.');
    await expect(readdir(temporary)).resolves.toStrictEqual(['x']);
  });
});

test('the reason that the process gives is the error of the start', async () => {
  await withDirectories(async (data) => {
    const failure = failureOf(startEngine(data, { startProcess }));
    await started.promise;
    child.say({ state: 'failed', failure: 'open', messages: ['embedded MongoDB error: no space'] });
    child.end(1);

    expect((await failure).message).toMatch(/^the database could not be opened: no space\. Check that this user/);
  });
});

test('a process that cannot be started is an error with its cause', async () => {
  await withDirectories(async (data) => {
    const failure = failureOf(startEngine(data, { startProcess }));
    await started.promise;
    const cause = new Error('spawn EAGAIN');
    child.emit('error', cause);

    await expect(failure).resolves.toMatchObject({
      kind: 'unavailable',
      message: "the engine's process does not start: spawn EAGAIN",
      cause,
    });
  });
});

test('a start that is aborted asks the process to close, and fails when it has ended', async () => {
  await withDirectories(async (data) => {
    const abort = new AbortController();
    const failure = failureOf(startEngine(data, { startProcess, signal: abort.signal }));
    await started.promise;
    await settle();
    expect(child.sent).toStrictEqual([]);

    abort.abort();
    expect(child.sent).toStrictEqual(['close']);
    child.end(1);

    await expect(failure).resolves.toMatchObject({ kind: 'unavailable', message: 'the start was aborted' });
  });
});

test('a start that was aborted before asks the process to close at once', async () => {
  await withDirectories(async (data) => {
    const failure = failureOf(startEngine(data, { startProcess, signal: AbortSignal.abort() }));
    await started.promise;
    await settle();

    expect(child.sent).toStrictEqual(['close']);
    child.end(1);
    expect((await failure).message).toBe('the start was aborted');
  });
});

test('only a start in progress listens to its signal', async () => {
  await withDirectories(async (data) => {
    const { signal } = new AbortController();
    const listeners = (): number => getEventListeners(signal, 'abort').length;
    const starting = startEngine(data, { startProcess, signal });
    await started.promise;
    await settle();
    expect(listeners()).toBe(1);

    child.say({ state: 'ready' });
    const engine = await starting;
    expect(listeners()).toBe(0);
    child.end(0);
    await engine.exited;

    started = Promise.withResolvers();
    child = new FakeProcess();
    const failure = failureOf(startEngine(data, { startProcess, signal }));
    await started.promise;
    child.end(1);
    await failure;
    expect(listeners()).toBe(0);
  });
});
