import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';

/** Debian's package belongs to Debian's Python, which is not always the first in PATH. */
const PYTHONS = ['python3', '/usr/bin/python3'];

/** The Python that has grpcio, whose transport is gRPC's C core; undefined where there is none. */
export function findGrpcio(): string | undefined {
  return PYTHONS.find((python) => spawnSync(python, ['-c', 'import grpc']).status === 0);
}

interface Watching {
  /** The statuses so far, and the error where the call has ended. */
  lines(): readonly string[];
  stop(): void;
}

/** Watches the health of a collector with grpcio. */
export function watchWithGrpcio(python: string, url: string): Watching {
  const child = spawn(python, [path.join(import.meta.dirname, 'grpcio-watch.py'), new URL(url).host], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return { lines: () => text.split('\n').slice(0, -1), stop: () => child.kill() };
}
