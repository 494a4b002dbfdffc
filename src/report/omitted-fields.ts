import { SpartakusError } from '../runtime/errors.ts';
import { qualifiedNameProblem } from './qualified-name.ts';
import { type SchemaField, listFields } from './schema-fields.ts';

/** Something that the administrator leaves out of reports. */
export interface Omission {
  /** The path of a field, as listFields() has it. */
  readonly path: string;
  /** The one entry of that list that is meant, by its key; all of the field where there is none. */
  readonly entry?: string;
}

/** The list that a path may leave out: those of nodes are what people mean. */
const SHORT_FORM_OF = 'nodes';

const FIELDS = listFields();

/** The lists whose entries have names, such as nodes[].capacity[]. */
const LISTS = FIELDS.filter(({ key }) => key).map(({ path }) => path.slice(0, path.lastIndexOf('.')));

/**
 * What one path of --omit means: a path in a report's JSON, with or without "[]", such as `nodes[].osImage` or `masterVersion`; below
 * nodes the short form, such as `osImage`; and an entry of a list by its name, such as `capacity.memory`.
 *
 * @throws SpartakusError `invalid`, with a message that begins with the quoted text, where there is no such field, or where a report
 *   cannot be without it
 */
export function resolveOmission(text: string): Omission {
  for (const path of [text, `${SHORT_FORM_OF}.${text}`].map(withoutBrackets)) {
    const field = FIELDS.find((candidate) => withoutBrackets(candidate.path) === path);
    if (field?.required === true) throw invalid(text, requiredProblem(field));
    if (field !== undefined) return { path: field.path };
    const list = LISTS.find((candidate) => path.startsWith(`${withoutBrackets(candidate)}.`));
    const entry = list === undefined ? '' : path.slice(withoutBrackets(list).length + 1);
    if (list !== undefined && qualifiedNameProblem(entry) === undefined) return { path: list, entry };
  }
  const close = FIELDS.find(({ path }) => shortest(path).toLowerCase() === shortest(text).toLowerCase());
  const hint = close === undefined ? 'spartakus volunteer explain lists all of them' : `did you mean ${close.path}?`;
  throw invalid(text, `is no field of a report: ${hint}`);
}

/** All of --omit: paths with commas in between. Throws as {@link resolveOmission}. */
export function parseOmissions(text: string): readonly Omission[] {
  return text.split(',').map((path) => resolveOmission(path.trim()));
}

function requiredProblem({ path }: SchemaField): string {
  const owner = path.includes('.') ? `an entry of ${path.slice(0, path.lastIndexOf('.'))}` : 'a report';
  return `cannot be left out: without ${path} there is no telling what ${owner} is about`;
}

function shortest(path: string): string {
  return withoutBrackets(path).split('.').at(-1) ?? '';
}

function withoutBrackets(path: string): string {
  return path.replaceAll('[]', '');
}

function invalid(text: string, problem: string): SpartakusError {
  return new SpartakusError('invalid', `${JSON.stringify(text)} ${problem}`, { field: '--omit' });
}
