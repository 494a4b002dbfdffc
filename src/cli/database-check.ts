import { checkDirectory, checkServer, type CollectionCheck } from '../collector/store/check-database.ts';
import { createCommand } from './command.ts';
import { countOf } from './count-of.ts';
import { group } from './flags.ts';
import { STORED_DATABASES, storedDatabaseFlag } from './stored-database.ts';
import { PROGRAM_VERSION } from './version.ts';

const ERASE_LINE = '\r\u001B[K';

export const databaseCheckCommand = createCommand({
  name: 'database check',
  description:
    'Reads every document and index of every collection, and prints one line for each: ok with the number of documents, or FAIL. Exits with ' +
    'code 1 if a collection is damaged or the database cannot be opened. Changes no document. A directory of the embedded engine must not ' +
    'be open in a collector; on a server, writes to a collection wait while it is read.',
  databases: STORED_DATABASES,
  flags: group('Database', { database: storedDatabaseFlag('checked') }),
  async run({ database }, { stdout, stop }) {
    const options = { appName: `spartakus-database-check/${PROGRAM_VERSION}`, signal: stop };
    const checks =
      database.kind === 'embedded' ? checkDirectory(database.directory, options) : checkServer(database.uri, options);
    const erase = stdout.isTTY === true ? ERASE_LINE : '';
    let damaged = 0;
    let checked = 0;
    for await (const check of checks) {
      if (check.state === 'reads') {
        if (erase !== '') stdout.write(`${erase}      ${describe(check)}`);
        continue;
      }
      checked += 1;
      if (check.state === 'damaged') damaged += 1;
      stdout.write(`${erase}${describe(check)}\n`);
    }
    if (stop.aborted) {
      stdout.write(`${erase}The check was interrupted.\n`);
      return 1;
    }
    if (damaged === 0) stdout.write(`No damage was found in ${countOf(checked, 'collection')}.\n`);
    else
      stdout.write(
        `${damaged} of ${countOf(checked, 'collection')} ${damaged === 1 ? 'is' : 'are'} damaged. Restore the database from a backup, or rebuild what ` +
          'can be read: docs/operations.md, "Damage".\n',
      );
    return damaged === 0 ? 0 : 1;
  },
});

function describe(check: CollectionCheck): string {
  const { collection } = check;
  if (check.state === 'damaged') return `FAIL  ${collection}: ${check.problem}`;
  const documents = check.documents === undefined ? '' : countOf(check.documents, 'document');
  if (check.state === 'reads') return `reading ${collection}: about ${documents}`;
  return `ok    ${collection}: ${documents}, ${countOf(check.indexes, 'index', 'indexes')}`;
}
