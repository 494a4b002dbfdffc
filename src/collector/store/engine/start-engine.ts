import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { SpartakusError } from '../../../runtime/errors.ts';
import { DEFAULT_DATABASE_NAME } from '../mongo-client.ts';
import { configureEngine } from './engine-config.ts';
import { explainExit, explainFailure } from './engine-errors.ts';
import type { EngineMessage } from './engine-process.ts';
import { createSocketDirectory } from './socket-directory.ts';

interface EngineOptions {
  /** See createSocketDirectory; by default a new one. The socket has the same path each time. */
  readonly socketDirectory?: string;
  /** How long to wait for another process to close the database: the engine of a collector that was killed takes a moment to end. */
  readonly lockTimeoutMs?: number;
  /** Ends a start that is in progress. */
  readonly signal?: AbortSignal;
  readonly startProcess?: typeof startEngineProcess;
}

/** MongoDB's embedded engine in a process of its own, which ends with this one. */
export interface Engine {
  /** The connection string of the database: a Unix socket that only the same user can open. */
  readonly uri: string;
  readonly pid: number | undefined;
  /** Resolves when the process ends: with the reason, or with nothing after `close`. Never rejects. */
  readonly exited: Promise<SpartakusError | undefined>;
  /** Closes the database. Idempotent. */
  close(): Promise<void>;
}

const LOCK_TIMEOUT_MS = 3_000;
/** The engine's process has no other message to receive. */
const CLOSE_REQUEST = 'close';
const KEPT_OUTPUT = 2_000;
/** Beside this file, in the sources and in the bundle (vite.config.ts). */
const ENGINE_PROCESS = fileURLToPath(new URL(`engine-process${path.extname(import.meta.url)}`, import.meta.url));

/**
 * Starts the engine on an existing directory.
 *
 * @throws SpartakusError where it cannot be opened; the message names the directory and what to do
 */
export async function startEngine(
  directory: string,
  { socketDirectory, lockTimeoutMs = LOCK_TIMEOUT_MS, signal, startProcess = startEngineProcess }: EngineOptions = {},
): Promise<Engine> {
  await configureEngine(directory);
  const sockets = socketDirectory ?? (await createSocketDirectory(directory));
  const socket = path.join(sockets, 'mongodb.sock');
  const child = startProcess([path.resolve(directory), socket, String(lockTimeoutMs)]);
  let isClosing = false;
  const requestClose = (): void => {
    isClosing = true;
    // Not disconnect(): Node.js would not emit 'close'.
    if (child.connected) child.send(CLOSE_REQUEST, () => undefined);
  };
  const { ready, ended } = follow(child, directory);
  const exited = ended.then(async (reason) => {
    signal?.removeEventListener('abort', requestClose);
    if (socketDirectory === undefined) await rm(sockets, { recursive: true, force: true });
    return isClosing ? undefined : reason;
  });
  signal?.addEventListener('abort', requestClose);
  if (signal?.aborted === true) requestClose();

  if (!(await ready)) throw (await exited) ?? new SpartakusError('unavailable', 'the start was aborted');
  signal?.removeEventListener('abort', requestClose);
  return {
    uri: `mongodb://${encodeURIComponent(socket)}/${DEFAULT_DATABASE_NAME}?directConnection=true`,
    pid: child.pid,
    exited,
    close: async () => {
      requestClose();
      await exited;
    },
  };
}

function startEngineProcess(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [ENGINE_PROCESS, ...args], {
    // A session of its own: Ctrl-C in a terminal does not reach it.
    detached: true,
    // Options of the collector's Node.js, such as the size of its heap, are not for the engine.
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
}

/** `ready` resolves with whether the engine serves the database, `ended` with why its process ended. Neither rejects. */
function follow(
  child: ChildProcess,
  directory: string,
): { readonly ready: Promise<boolean>; readonly ended: Promise<SpartakusError> } {
  const ready = Promise.withResolvers<boolean>();
  const ended = Promise.withResolvers<SpartakusError>();
  let failure: SpartakusError | undefined;
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-KEPT_OUTPUT)));
  child.on('message', (message: EngineMessage) => {
    if (message.state === 'ready') ready.resolve(true);
    else failure = explainFailure(directory, message);
  });
  // The process could not be started.
  child.on('error', (error) => {
    ready.resolve(false);
    ended.resolve(
      new SpartakusError('unavailable', `the engine's process does not start: ${error.message}`, { cause: error }),
    );
  });
  child.once('close', (code, signal) => {
    ready.resolve(false);
    if (failure === undefined) void explainExit(directory, { code, signal, output }).then(ended.resolve);
    else ended.resolve(failure);
  });
  return { ready: ready.promise, ended: ended.promise };
}
