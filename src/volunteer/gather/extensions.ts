import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ExtensionFacts } from '../../report/assemble.ts';
import { qualifiedNameProblem } from '../../report/qualified-name.ts';
import { messageOf, SpartakusError } from '../../runtime/errors.ts';
import type { MissingReason } from './missing.ts';

/** Something in --extensions that cannot be used. */
export interface ExtensionProblem {
  readonly reason: MissingReason;
  /** Names the flag, the file and the key, and repeats nothing else of the content. For the log: no report has it. */
  readonly message: string;
}

export interface Extensions {
  readonly extensions: readonly ExtensionFacts[];
  readonly problems: readonly ExtensionProblem[];
}

/**
 * The extensions of --extensions: of one file, or of each file in a directory and its sub-directories, in the order of their names
 * (those that begin with "." are left out, as in the original; links are followed, as ConfigMap mounts need).
 *
 * A file holds one JSON object. Its keys are Kubernetes qualified names, and stay in their order (whole numbers come first); a value that
 * is a text is taken as it is, any other as compact JSON. An empty file has no extensions. A name that stands in two files is sent
 * twice, as in the original.
 *
 * What cannot be used is a problem, and costs nothing else: a path that cannot be read, a file that is not a JSON object, a key that is
 * not a qualified name. Never rejects. The files are read at each call.
 */
export async function readExtensions(extensionsPath: string): Promise<Extensions> {
  const extensions: ExtensionFacts[] = [];
  const problems: ExtensionProblem[] = [];
  const add = async (file: string): Promise<void> => {
    try {
      const parsed = parse(file, await readText(file));
      extensions.push(...parsed.extensions);
      problems.push(...parsed.problems);
    } catch (error) {
      problems.push(problemOf(error));
    }
  };
  const visit = async (place: string, ancestors: readonly string[]): Promise<void> => {
    try {
      if (!(await isDirectory(place))) {
        await add(place);
        return;
      }
      const real = await realpath(place);
      // A link to a directory that it is in would never end.
      if (ancestors.includes(real)) return;
      for (const name of await listNames(place)) await visit(path.join(place, name), [...ancestors, real]);
    } catch (error) {
      problems.push(problemOf(unreadable(place, error)));
    }
  };
  await visit(extensionsPath, []);
  return { extensions, problems };
}

/**
 * Rejects with a SpartakusError `invalid` that names the flag where --extensions is of no use at all: a path that cannot be read, or
 * one file that is not a JSON object.
 */
export async function checkExtensions(extensionsPath: string): Promise<void> {
  const directory = await isDirectory(extensionsPath).catch((error: unknown) => {
    throw invalid(unreadable(extensionsPath, error));
  });
  try {
    if (directory) await listNames(extensionsPath);
    else parse(extensionsPath, await readText(extensionsPath));
  } catch (error) {
    throw invalid(error instanceof Unusable ? error : unreadable(extensionsPath, error));
  }
}

/** Why a whole file or directory cannot be used. */
class Unusable extends Error {
  readonly reason: MissingReason;

  constructor(reason: MissingReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

async function isDirectory(place: string): Promise<boolean> {
  return (await stat(place)).isDirectory();
}

async function listNames(directory: string): Promise<readonly string[]> {
  return (await readdir(directory)).filter((name) => !name.startsWith('.')).toSorted();
}

async function readText(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

function parse(file: string, text: string): Extensions {
  const extensions: ExtensionFacts[] = [];
  const problems: ExtensionProblem[] = [];
  if (text.trim() === '') return { extensions, problems };
  for (const [name, value] of Object.entries(parseObject(file, text))) {
    const problem = qualifiedNameProblem(name);
    if (problem === undefined)
      extensions.push({ name, value: typeof value === 'string' ? value : JSON.stringify(value) });
    else
      problems.push({
        reason: 'not a qualified name',
        message: `--extensions ${file}: the key ${JSON.stringify(name)} ${problem}.`,
      });
  }
  return { extensions, problems };
}

function parseObject(file: string, text: string): object {
  let value: unknown;
  try {
    // Node's readFile keeps a byte order mark, which JSON does not know.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // Not the parser's own message: it quotes the file, and this one may be logged.
    throw new Unusable('not a JSON object', `${file}: is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Unusable('not a JSON object', `${file}: is not a JSON object, such as {"example.com/hello": "world"}`);
  }
  return value;
}

function unreadable(place: string, error: unknown): Unusable {
  return new Unusable('unreadable file', `${place}: cannot be read: ${messageOf(error)}`);
}

function problemOf(error: unknown): ExtensionProblem {
  const reason = error instanceof Unusable ? error.reason : 'failed';
  return { reason, message: `--extensions ${messageOf(error)}.` };
}

function invalid({ message }: Unusable): SpartakusError {
  return new SpartakusError('invalid', `--extensions ${message}.`, { field: '--extensions' });
}
