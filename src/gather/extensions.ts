import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { ExtensionFacts } from '../report/assemble.ts';
import { messageOf, SpartakusError } from '../report/errors.ts';

/** The longest prefix of a qualified name: a DNS subdomain, RFC 1123. */
const MAX_PREFIX_LENGTH = 253;

/** The longest name behind it. */
const MAX_NAME_LENGTH = 63;

// Kubernetes' qualified names: apimachinery, pkg/util/validation/validation.go, IsQualifiedName and IsDNS1123Subdomain.
const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/**
 * The extensions of --extensions: of one file, or of each file in a directory, in the order of the files' names (names that begin
 * with "." and sub-directories are left out, as in the original; links are followed, as ConfigMap mounts need).
 *
 * A file holds one JSON object. Its keys are Kubernetes qualified names, and stay in their order (whole numbers come first); a value that
 * is a text is taken as it is, any other as compact JSON. An empty file has no extensions. A name that stands in two files is sent twice, as in the original.
 *
 * A path that cannot be read, a file that is not a JSON object, or a key that is not a qualified name is a SpartakusError `invalid`
 * that names the flag, the file and the key. The files are read at each call.
 */
export async function readExtensions(extensionsPath: string): Promise<readonly ExtensionFacts[]> {
  const extensions: ExtensionFacts[] = [];
  for (const file of await listFiles(extensionsPath)) extensions.push(...parse(file, await read(file)));
  return extensions;
}

async function listFiles(extensionsPath: string): Promise<readonly string[]> {
  try {
    if (!(await stat(extensionsPath)).isDirectory()) return [extensionsPath];
    const names = (await readdir(extensionsPath)).filter((name) => !name.startsWith('.')).toSorted();
    const files = names.map((name) => path.join(extensionsPath, name));
    const stats = await Promise.all(files.map((file) => stat(file)));
    return files.filter((_, index) => stats[index]?.isDirectory() === false);
  } catch (error) {
    throw invalid(`${extensionsPath}: cannot be read: ${messageOf(error)}`);
  }
}

async function read(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw invalid(`${file}: cannot be read: ${messageOf(error)}`);
  }
}

function parse(file: string, text: string): readonly ExtensionFacts[] {
  if (text.trim() === '') return [];
  return Object.entries(parseObject(file, text)).map(([name, value]) => {
    const problem = problemOf(name);
    if (problem !== undefined) throw invalid(`${file}: the key ${JSON.stringify(name)} ${problem}`);
    return { name, value: typeof value === 'string' ? value : JSON.stringify(value) };
  });
}

function parseObject(file: string, text: string): object {
  let value: unknown;
  try {
    // Node's readFile keeps a byte order mark, which JSON does not know.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    // Not the parser's own message: it quotes the file, and this one may be logged.
    throw invalid(`${file}: is not JSON`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid(`${file}: is not a JSON object, such as {"example.com/hello": "world"}`);
  }
  return value;
}

/** What is wrong with a key as a qualified name; undefined where nothing is. */
function problemOf(key: string): string | undefined {
  const slash = key.indexOf('/');
  const prefix = slash === -1 ? undefined : key.slice(0, slash);
  const name = key.slice(slash + 1);
  if (prefix !== undefined && (prefix.length > MAX_PREFIX_LENGTH || !SUBDOMAIN.test(prefix))) {
    return `has a prefix that is not a DNS subdomain of at most ${MAX_PREFIX_LENGTH} characters, such as "example.com"`;
  }
  if (name.length > MAX_NAME_LENGTH || !NAME.test(name)) {
    return `has a name that is not 1 to ${MAX_NAME_LENGTH} letters, digits, "-", "_" or ".", with a letter or digit at both ends`;
  }
  return undefined;
}

function invalid(message: string): SpartakusError {
  return new SpartakusError('invalid', `--extensions ${message}.`, { field: '--extensions' });
}
