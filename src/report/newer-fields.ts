import type { Logger } from '../runtime/logger.ts';
import type { SchemaField } from './schema-fields.ts';
import { CURRENT_SCHEMA_VERSION, isAgreed } from './schema-version.ts';

/** The command that describes the fields of agents' records. */
export const RECORDS_COMMAND = 'volunteer explain --records';

/**
 * Logs once which fields of this release are not sent because the administrator has not agreed to them, with the command that describes
 * them; nothing where there are none.
 *
 * @param fields what would be sent if everything were agreed to
 * @param command of spartakus, up to the number of --diff
 */
export function logNewerFields(
  logger: Logger,
  fields: readonly SchemaField[],
  agreed: number,
  command: string,
  current = CURRENT_SCHEMA_VERSION,
): void {
  const newer = fields.filter((field) => !isAgreed(field, agreed)).map(({ path }) => path);
  // Of a message that is newer itself, the fields in it go without saying.
  const named = newer.filter((path) => !newer.some((other) => path.startsWith(`${other}.`)));
  if (named.length === 0) return;
  logger.info(
    { agreed, current, fields: named },
    `Not sent, because it is newer than version ${agreed}, which was agreed to: ${named.join(', ')}. ` +
      `"spartakus ${command} --diff ${agreed}" describes it, and --agree ${current} sends it.`,
  );
}
