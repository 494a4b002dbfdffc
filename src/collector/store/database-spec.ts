import { SpartakusError } from '../../runtime/errors.ts';
import { maskUrl } from '../../runtime/mask.ts';

/** Where a collector stores reports: the parsed value of its --database. */
export type Database =
  | { readonly kind: 'embedded'; readonly directory: string }
  /** A connection string of MongoDB. */
  | { readonly kind: 'server'; readonly uri: string }
  | { readonly kind: 'stdout' };

export const DEFAULT_DATABASE = 'embedded:./spartakus-data';

/** The forms of --database, for help and --print-databases. */
export const DATABASES: readonly { readonly example: string; readonly description: string }[] = [
  {
    example: DEFAULT_DATABASE,
    description: "MongoDB's embedded engine, in a process and a directory of its own; nothing to install",
  },
  {
    example: 'mongodb://user:password@host1:27017,host2:27017/spartakus?replicaSet=rs0',
    description: 'a MongoDB server, replica set or sharded cluster',
  },
  {
    example: 'mongodb+srv://user:password@cluster.example.com/spartakus',
    description: 'the same, with its hosts found by DNS',
  },
  { example: 'stdout', description: 'prints each report as a line of JSON and stores nothing' },
];

const EMBEDDED = 'embedded:';

/** @throws SpartakusError `invalid` where the text is none of the known forms; the message masks the password */
export function parseDatabase(spec: string): Database {
  if (spec === 'stdout') return { kind: 'stdout' };
  if (spec.startsWith(EMBEDDED) && spec !== EMBEDDED)
    return { kind: 'embedded', directory: spec.slice(EMBEDDED.length) };
  if (/^mongodb(?:\+srv)?:\/\//.test(spec)) return { kind: 'server', uri: spec };
  const examples = DATABASES.map(({ example }) => example).join(', ');
  throw new SpartakusError('invalid', `--database ${maskUrl(spec)}: is none of the known forms: ${examples}.`, {
    field: '--database',
  });
}

/** The value of --database, with its password masked. */
export function describeDatabase(database: Database): string {
  switch (database.kind) {
    case 'embedded':
      return `${EMBEDDED}${database.directory}`;
    case 'server':
      return maskUrl(database.uri);
    case 'stdout':
      return 'stdout';
  }
}
