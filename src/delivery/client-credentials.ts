import { readFile } from 'node:fs/promises';
import { isLoopback, stripBrackets } from '../runtime/addresses.ts';
import { isBearerToken } from '../runtime/bearer-token.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import { findCaProblem, findPairProblem } from '../runtime/pem.ts';

/** The files of --ca-file (used instead of the system's CAs), --cert-file, --key-file and --token-file. */
export interface ClientCredentialsConfig {
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
  readonly tokenFile?: string;
}

export interface ClientCredentials {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** Where requests have a token. */
  readonly tokenFile?: string | undefined;
  /** The Authorization header. Reads the token file each time; rejects as `unavailable` where it cannot be read. */
  authorization(): Promise<string | undefined>;
}

export const NO_CREDENTIALS: ClientCredentials = { authorization: () => Promise.resolve(undefined) };

type FlagFile = Readonly<Record<'flag' | 'file', string>>;

/**
 * Reads the certificates once; the token is read for each request, because it may rotate. No file is read where `database` is not a URL.
 *
 * Rejects with a SpartakusError `invalid` that names the flag: a file is missing or wrong, a certificate has no key, or the URL (of `flag`)
 * has no TLS. A token is sent without TLS to a loopback address only.
 */
export async function openClientCredentials(
  config: ClientCredentialsConfig,
  database: string,
  flag = '--database',
): Promise<ClientCredentials> {
  const url = URL.parse(database);
  if (url === null) return NO_CREDENTIALS;
  const fileOf = (name: string, file?: string) => (file === undefined ? undefined : { flag: name, file });
  const ca = fileOf('--ca-file', config.caFile);
  const cert = fileOf('--cert-file', config.certFile);
  const key = fileOf('--key-file', config.keyFile);
  const token = fileOf('--token-file', config.tokenFile);
  if (cert !== undefined && key === undefined) throw wrong(cert, 'has no key: give --key-file too');
  if (key !== undefined && cert === undefined) throw wrong(key, 'has no certificate: give --cert-file too');
  if (url.protocol !== 'grpcs:' && url.protocol !== 'https:') {
    const [plain, secure] = url.protocol === 'grpc:' ? ['grpc://', 'grpcs://'] : ['http://', 'https://'];
    const change = `write ${flag} ${secure}… instead of ${plain}…`;
    const forTls = ca ?? cert;
    if (forTls !== undefined) throw wrong(forTls, `has no effect without TLS: ${change}`);
    if (token !== undefined && !isLoopback(stripBrackets(url.hostname)))
      throw wrong(token, `is not sent without TLS, because it could be read on the way: ${change}`);
  }
  if (token !== undefined) await readToken(token, 'invalid');
  return {
    ca: ca && (await readCa(ca)),
    ...(cert && key && (await readPair(cert, key))),
    tokenFile: config.tokenFile,
    authorization: async () => token && `Bearer ${await readToken(token, 'unavailable')}`,
  };
}

async function readCa(ca: FlagFile): Promise<Buffer> {
  const pem = await read(ca, 'invalid');
  const problem = findCaProblem(pem);
  if (problem !== undefined) throw wrong(ca, problem);
  return pem;
}

async function readPair(certFile: FlagFile, keyFile: FlagFile): Promise<Pick<ClientCredentials, 'cert' | 'key'>> {
  const [cert, key] = [await read(certFile, 'invalid'), await read(keyFile, 'invalid')];
  const found = findPairProblem(cert, key);
  if (found?.of === 'pair') throw wrong(keyFile, `is not the key of --cert-file ${certFile.file}`);
  if (found !== undefined) throw wrong(found.of === 'cert' ? certFile : keyFile, found.problem);
  return { cert, key };
}

type Kind = 'invalid' | 'unavailable';

async function readToken(file: FlagFile, kind: Kind): Promise<string> {
  const token = (await read(file, kind)).toString('latin1').trim();
  if (isBearerToken(token)) return token;
  throw wrong(file, token === '' ? 'is empty' : 'holds more than one token of printable characters', kind);
}

async function read(file: FlagFile, kind: Kind): Promise<Buffer> {
  try {
    return await readFile(file.file);
  } catch (error) {
    throw wrong(file, `cannot be read (${messageOf(error)})`, kind);
  }
}

function wrong({ flag, file }: FlagFile, problem: string, kind: Kind = 'invalid'): SpartakusError {
  return new SpartakusError(kind, `${flag} ${file}: ${problem}.`, { field: flag });
}
