import type { Writable } from 'node:stream';
import type { ReportStore } from '../../report/report-sink.ts';
import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';
import { openEmbeddedStore } from './embedded.ts';
import { type MongoStoreOptions, openMongoStore } from './mongo.ts';
import { createStdoutStore } from './stdout.ts';

export interface OpenStoreOptions {
  readonly appName: string;
  /** How long one write may take, in milliseconds. */
  readonly storeTimeoutMs: number;
  readonly stdout: Writable;
}

export const DEFAULT_DATABASE = 'embedded:./spartakus-data';

/** A kind of database that a spec can name. */
export interface DatabaseKind {
  readonly example: string;
  readonly description: string;
  readonly matches: (spec: string) => boolean;
  readonly open: (spec: string, options: OpenStoreOptions) => Promise<ReportStore>;
}

/** How long a database may take to answer when the program starts. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Every kind of database, in the order in which --print-databases lists them. */
export const DATABASES: readonly DatabaseKind[] = [
  {
    example: DEFAULT_DATABASE,
    description: "MongoDB's own engine in this process, in a folder; nothing to install",
    matches: (spec) => spec.startsWith('embedded:') && spec.length > 'embedded:'.length,
    open: (spec, options) =>
      openEmbeddedStore({ ...pickMongoOptions(options), directory: spec.slice('embedded:'.length) }),
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
    description: 'prints each report as a line of JSON; nothing is kept',
    matches: (spec) => spec === 'stdout',
    open: (_spec, { stdout }) => Promise.resolve(createStdoutStore(stdout)),
  },
];

function openServer(uri: string, options: OpenStoreOptions): Promise<ReportStore> {
  return openMongoStore({ ...pickMongoOptions(options), uri });
}

function pickMongoOptions({
  appName,
  storeTimeoutMs,
}: OpenStoreOptions): Pick<MongoStoreOptions, 'appName' | 'storeTimeoutMs' | 'connectTimeoutMs'> {
  return { appName, storeTimeoutMs, connectTimeoutMs: CONNECT_TIMEOUT_MS };
}

/**
 * The kind of database that a spec names.
 *
 * @throws SpartakusError of kind `invalid` that lists the kinds there are
 */
export function findDatabase(spec: string): DatabaseKind {
  const kind = DATABASES.find(({ matches }) => matches(spec));
  if (kind !== undefined) return kind;
  const examples = DATABASES.map(({ example }) => example).join(', ');
  throw new SpartakusError('invalid', `--database ${maskUrl(spec)}: is none of the known forms: ${examples}.`, {
    field: '--database',
  });
}

/** Turns a database spec into a store. */
export function openStore(spec: string, options: OpenStoreOptions): Promise<ReportStore> {
  return findDatabase(spec).open(spec, options);
}
