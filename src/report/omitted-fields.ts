import { SpartakusError } from '../runtime/errors.ts';
import { qualifiedNameProblem } from './qualified-name.ts';
import { listFields, type SchemaField } from './schema-fields.ts';

export interface Omission {
  /** As listFields() has it. */
  readonly path: string;
  /** The key of one entry of that list; absent where the whole field is omitted. */
  readonly entry?: string;
}

const FIELDS = listFields();

/** Lists whose entries have a key, such as nodes[].capacity[]. */
const KEYED_LISTS = FIELDS.filter(({ key }) => key).map(({ path }) => parentOf(path));

/**
 * Resolves one path of --omit: a path in the JSON of a report, with or without "[]", such as `nodes[].osImage` or `masterVersion`; a path
 * below nodes, such as `osImage`; or an entry of a list by its key, such as `capacity.memory`.
 *
 * @throws SpartakusError of kind `invalid`, with a message that begins with the quoted text, for an unknown or required field
 */
export function resolveOmission(text: string): Omission {
  for (const path of [text, `nodes.${text}`].map(withoutBrackets)) {
    const field = FIELDS.find((candidate) => withoutBrackets(candidate.path) === path);
    if (field?.required === true) throw invalid(text, requiredProblem(field));
    if (field !== undefined) return { path: field.path };
    const list = KEYED_LISTS.find((candidate) => path.startsWith(`${withoutBrackets(candidate)}.`));
    const entry = list === undefined ? '' : path.slice(withoutBrackets(list).length + 1);
    if (list !== undefined && qualifiedNameProblem(entry) === undefined) return { path: list, entry };
  }
  const similar = FIELDS.find(({ path }) => lastName(path).toLowerCase() === lastName(text).toLowerCase());
  const hint = similar === undefined ? 'see spartakus volunteer explain' : `did you mean ${similar.path}?`;
  throw invalid(text, `is not a field of a report: ${hint}`);
}

/** Resolves the paths of --omit, separated by commas. Throws as {@link resolveOmission}. */
export function parseOmissions(text: string): readonly Omission[] {
  return text.split(',').map((path) => resolveOmission(path.trim()));
}

function requiredProblem({ path }: SchemaField): string {
  const owner = path.includes('.') ? `an entry of ${parentOf(path)}` : 'a report';
  return `cannot be omitted: ${owner} without ${path} has no meaning`;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('.'));
}

function lastName(path: string): string {
  return withoutBrackets(path).split('.').at(-1) ?? '';
}

function withoutBrackets(path: string): string {
  return path.replaceAll('[]', '');
}

function invalid(text: string, problem: string): SpartakusError {
  return new SpartakusError('invalid', `${JSON.stringify(text)} ${problem}`, { field: '--omit' });
}
