import { SpartakusError } from '../runtime/errors.ts';
import { qualifiedNameProblem } from './qualified-name.ts';
import { listFields, parentOf } from './schema-fields.ts';

export interface Omission {
  /** A SchemaField.path. */
  readonly path: string;
  /** The key of one entry of that list; absent if the whole field is omitted. */
  readonly entry?: string;
}

const FIELDS = listFields();

/** Lists whose entries have a key, such as nodes[].capacity[]. */
const KEYED_LISTS = FIELDS.filter(({ key }) => key).map(({ path }) => parentOf(path));

/**
 * Resolves a path of --omit: a path in the JSON of a report or of a node, with or without "[]", such as `nodes[].osImage` or `osImage`;
 * or an entry of a list by its key, such as `capacity.memory`.
 *
 * @throws SpartakusError of kind `invalid` for an unknown or required field; the message begins with the quoted text
 */
export function resolveOmission(text: string): Omission {
  for (const path of [text, `nodes.${text}`].map(withoutBrackets)) {
    const field = FIELDS.find((candidate) => withoutBrackets(candidate.path) === path);
    if (field?.required === true) {
      const owner = field.path.includes('.') ? `an entry of ${parentOf(field.path)}` : 'a report';
      throw invalid(text, `cannot be omitted: ${owner} without ${field.path} has no meaning`);
    }
    if (field !== undefined) return { path: field.path };
    const list = KEYED_LISTS.find((candidate) => path.startsWith(`${withoutBrackets(candidate)}.`));
    const entry = list === undefined ? '' : path.slice(withoutBrackets(list).length + 1);
    if (list !== undefined && qualifiedNameProblem(entry) === undefined) return { path: list, entry };
  }
  const similar = FIELDS.find(({ path }) => lastName(path) === lastName(text));
  const hint = similar === undefined ? 'see spartakus volunteer explain' : `did you mean ${similar.path}?`;
  throw invalid(text, `is not a field of a report: ${hint}`);
}

/** Parses the comma-separated paths of --omit. Throws as {@link resolveOmission}. */
export function parseOmissions(text: string): readonly Omission[] {
  return text.split(',').map((path) => resolveOmission(path.trim()));
}

function lastName(path: string): string {
  return withoutBrackets(path).replace(/^.*\./, '').toLowerCase();
}

function withoutBrackets(path: string): string {
  return path.replaceAll('[]', '');
}

function invalid(text: string, problem: string): SpartakusError {
  return new SpartakusError('invalid', `${JSON.stringify(text)} ${problem}`, { field: '--omit' });
}
