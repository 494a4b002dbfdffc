import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Extension } from '../../../gen/spartakus/report/v1/report_pb.js';
import { qualifiedNameProblem } from '../../report/qualified-name.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { MissingReason } from './missing-fields.ts';

interface ExtensionProblem {
  readonly reason: MissingReason;
  /** Contains the file and key, and no other content. */
  readonly message: string;
}

interface Extensions {
  readonly extensions: Pick<Extension, 'name' | 'value'>[];
  readonly problems: ExtensionProblem[];
}

/**
 * Reads --extensions: a file, or a directory tree in the order of names, without names that begin with ".". Links are followed, as ConfigMap
 * mounts need. A file is empty or one JSON object whose keys are Kubernetes qualified names. As in the original, a key in two files is sent
 * twice. Never rejects: errors are problems.
 */
export async function readExtensions(extensionsPath: string): Promise<Extensions> {
  const found: Extensions = { extensions: [], problems: [] };
  const visit = async (place: string, ancestors: readonly string[]): Promise<void> => {
    try {
      if (!(await isDirectory(place))) return parse(place, await readFile(place, 'utf8'), found);
      const real = await realpath(place);
      // A link to a parent would be an endless loop.
      if (ancestors.includes(real)) return;
      const names = (await readdir(place)).filter((name) => !name.startsWith('.'));
      for (const name of names.toSorted()) await visit(path.join(place, name), [...ancestors, real]);
    } catch (error) {
      found.problems.push(problemOf(place, error));
    }
  };
  await visit(extensionsPath, []);
  return found;
}

/** Rejects with a SpartakusError `invalid` where --extensions cannot be read at all, or is one file that is not a JSON object. */
export async function checkExtensions(extensionsPath: string): Promise<void> {
  try {
    if (await isDirectory(extensionsPath)) await readdir(extensionsPath);
    else parseObject(await readFile(extensionsPath, 'utf8'));
  } catch (error) {
    throw new SpartakusError('invalid', problemOf(extensionsPath, error).message, { field: '--extensions' });
  }
}

class NotAnObjectError extends Error {}

async function isDirectory(place: string): Promise<boolean> {
  return (await stat(place)).isDirectory();
}

function parse(file: string, text: string, { extensions, problems }: Extensions): void {
  for (const [name, value] of Object.entries(parseObject(text))) {
    const problem = qualifiedNameProblem(name);
    const message = `--extensions ${file}: the key ${JSON.stringify(name)} ${problem}.`;
    if (problem !== undefined) problems.push({ reason: 'not a qualified name', message });
    else extensions.push({ name, value: typeof value === 'string' ? value : JSON.stringify(value) });
  }
}

function parseObject(text: string): object {
  if (text.trim() === '') return {};
  let value: unknown;
  try {
    // readFile() keeps a byte order mark, which JSON.parse() rejects.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // Without the cause, whose message quotes the file.
    throw new NotAnObjectError('is not JSON');
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new NotAnObjectError('is not a JSON object, such as {"example.com/hello": "world"}');
}

function problemOf(place: string, error: unknown): ExtensionProblem {
  const [reason, problem] =
    error instanceof NotAnObjectError
      ? (['not a JSON object', error.message] as const)
      : (['unreadable file', `cannot be read: ${messageOf(error)}`] as const);
  return { reason, message: `--extensions ${place}: ${problem}.` };
}
