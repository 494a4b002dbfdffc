import type { Writable } from 'node:stream';
import type { ReportStore } from '../../report/report-sink.ts';
import type { Clock } from '../../runtime/clock.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import type { Logger } from '../../runtime/logger.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { openEmbeddedStore } from './embedded.ts';
import { openMongoStore } from './mongo-store.ts';
import { createStdoutStore } from './stdout.ts';

interface OpenStoreOptions {
  readonly appName: string;
  readonly storeTimeoutMs: number;
  readonly stdout: Writable;
  /** For the embedded engine; by default the system's clock and random numbers, and no log. */
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
  readonly diskReserveBytes?: number | undefined;
}

export const DEFAULT_DATABASE = 'embedded:./spartakus-data';

interface DatabaseKind {
  readonly example: string;
  readonly description: string;
  readonly matches: (spec: string) => boolean;
  readonly open: (spec: string, options: OpenStoreOptions) => Promise<ReportStore>;
}

const CONNECT_TIMEOUT_MS = 5_000;

/** In the order in which --print-databases lists them. */
export const DATABASES: readonly DatabaseKind[] = [
  {
    example: DEFAULT_DATABASE,
    description: "MongoDB's embedded engine, in a process and a directory of its own; nothing to install",
    matches: (spec) => spec.startsWith('embedded:') && spec.length > 'embedded:'.length,
    open: (spec, options) => {
      const directory = spec.slice('embedded:'.length);
      return openEmbeddedStore({ ...options, connectTimeoutMs: CONNECT_TIMEOUT_MS, directory });
    },
  },
  {
    example: 'mongodb://user:password@host1:27017,host2:27017/spartakus?replicaSet=rs0',
    description: 'a MongoDB server, replica set or sharded cluster',
    matches: (spec) => spec.startsWith('mongodb://'),
    open: openServer,
  },
  {
    example: 'mongodb+srv://user:password@cluster.example.com/spartakus',
    description: 'the same, with its hosts found by DNS',
    matches: (spec) => spec.startsWith('mongodb+srv://'),
    open: openServer,
  },
  {
    example: 'stdout',
    description: 'prints each report as a line of JSON and stores nothing',
    matches: (spec) => spec === 'stdout',
    open: (_spec, { stdout }) => Promise.resolve(createStdoutStore(stdout)),
  },
];

function openServer(uri: string, options: OpenStoreOptions): Promise<ReportStore> {
  return openMongoStore({ ...options, connectTimeoutMs: CONNECT_TIMEOUT_MS, uri });
}

export function findDatabase(spec: string): DatabaseKind {
  const kind = DATABASES.find(({ matches }) => matches(spec));
  if (kind !== undefined) return kind;
  const examples = DATABASES.map(({ example }) => example).join(', ');
  throw new SpartakusError('invalid', `--database ${maskUrl(spec)}: is none of the known forms: ${examples}.`, {
    field: '--database',
  });
}

export function openStore(spec: string, options: OpenStoreOptions): Promise<ReportStore> {
  return findDatabase(spec).open(spec, options);
}
