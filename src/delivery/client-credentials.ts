import { readFile } from 'node:fs/promises';
import { isLoopback, stripBrackets } from '../runtime/addresses.ts';
import { isBearerToken } from '../runtime/bearer-token.ts';
import { messageOf, SpartakusError } from '../runtime/errors.ts';
import { findCaProblem, findPairProblem } from '../runtime/pem.ts';

/** Which files hold what it takes to trust the collector and to be trusted by it. */
export interface AccessConfig {
  /** --ca-file: the CAs that the collector's certificate is checked against, in place of the system's, as PEM. */
  readonly caFile?: string;
  /** --cert-file and --key-file: the client's certificate with its chain, and its key, as PEM. */
  readonly certFile?: string;
  readonly keyFile?: string;
  /** --token-file: a bearer token. */
  readonly tokenFile?: string;
}

/** What the files hold. */
export interface Access {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
  /** The value of an Authorization header; the token is read anew each time. Rejects as `unavailable` where it cannot be read now. */
  authorization(): Promise<string | undefined>;
}

/** What it takes where nothing is given. */
export const NO_ACCESS: Access = { authorization: () => Promise.resolve(undefined) };

/** A file of a flag. */
interface Named {
  readonly flag: '--ca-file' | '--cert-file' | '--key-file' | '--token-file';
  readonly file: string;
}

/**
 * Reads the files, for a database as --database names it. Certificates are read once, a token whenever it is needed, so that one that
 * rotates is followed.
 *
 * Rejects with a SpartakusError `invalid` that names the flag where a file is missing or wrong, and where a flag cannot mean anything:
 * a certificate without its key, or one for a collector without TLS. A token is not sent over a connection without TLS, except to this
 * machine itself: anybody on the way could read it.
 */
export async function openAccess(config: AccessConfig, database: string, flag = '--database'): Promise<Access> {
  const url = URL.parse(database);
  // Nothing is sent, so nothing is needed: what would be sent can be looked at before the files are there.
  if (url === null) return NO_ACCESS;
  const [ca, cert, key, token] = [
    named('--ca-file', config.caFile),
    named('--cert-file', config.certFile),
    named('--key-file', config.keyFile),
    named('--token-file', config.tokenFile),
  ];
  checkMeaning(url, flag, { ca, cert, key, token });
  const caPem = ca === undefined ? undefined : await readCa(ca);
  const pair = cert === undefined || key === undefined ? undefined : await readPair(cert, key);
  if (token !== undefined) await readToken(token, 'invalid');
  return {
    ca: caPem,
    ...pair,
    authorization: async () => (token === undefined ? undefined : `Bearer ${await readToken(token, 'unavailable')}`),
  };
}

function named(flag: Named['flag'], file: string | undefined): Named | undefined {
  return file === undefined ? undefined : { flag, file };
}

function checkMeaning(
  url: URL,
  flag: string,
  { ca, cert, key, token }: Readonly<Record<'ca' | 'cert' | 'key' | 'token', Named | undefined>>,
): void {
  if (cert !== undefined && key === undefined) throw wrong(cert, 'has no key: give --key-file too');
  if (key !== undefined && cert === undefined) throw wrong(key, 'has no certificate: give --cert-file too');
  if (url.protocol === 'grpcs:' || url.protocol === 'https:') return;
  const [plain, secure] = url.protocol === 'grpc:' ? ['grpc://', 'grpcs://'] : ['http://', 'https://'];
  const forTls = ca ?? cert;
  if (forTls !== undefined)
    throw wrong(forTls, `is of no use without TLS: write ${flag} ${secure}… in place of ${plain}…`);
  if (token !== undefined && !isLoopback(stripBrackets(url.hostname))) {
    throw wrong(
      token,
      `is not sent without TLS, where anybody on the way could read it: write ${flag} ${secure}… in place of ${plain}…`,
    );
  }
}

async function readCa(ca: Named): Promise<Buffer> {
  const pem = await read(ca, 'invalid');
  const problem = findCaProblem(pem);
  if (problem !== undefined) throw wrong(ca, problem);
  return pem;
}

async function readPair(certFile: Named, keyFile: Named): Promise<{ readonly cert: Buffer; readonly key: Buffer }> {
  const [cert, key] = [await read(certFile, 'invalid'), await read(keyFile, 'invalid')];
  const wrongHere = findPairProblem(cert, key);
  if (wrongHere?.of === 'pair') throw wrong(keyFile, `is not the key of --cert-file ${certFile.file}`);
  if (wrongHere !== undefined) throw wrong(wrongHere.of === 'cert' ? certFile : keyFile, wrongHere.problem);
  return { cert, key };
}

async function readToken(source: Named, kind: 'invalid' | 'unavailable'): Promise<string> {
  const token = (await read(source, kind)).toString('latin1').trim();
  if (!isBearerToken(token))
    throw wrong(source, token === '' ? 'is empty' : 'holds more than one token of printable characters', kind);
  return token;
}

async function read(source: Named, kind: 'invalid' | 'unavailable'): Promise<Buffer> {
  try {
    return await readFile(source.file);
  } catch (error) {
    throw wrong(source, `cannot be read (${messageOf(error)})`, kind);
  }
}

function wrong({ flag, file }: Named, problem: string, kind: 'invalid' | 'unavailable' = 'invalid'): SpartakusError {
  return new SpartakusError(kind, `${flag} ${file}: ${problem}.`, { field: flag });
}
