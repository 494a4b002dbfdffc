import { createHash, timingSafeEqual } from 'node:crypto';
import { isBearerToken } from '../../../runtime/bearer-token.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import { type NamedFile, reloadOnChange, type ReloadOptions, invalidFile } from '../../../runtime/reload-on-change.ts';

/** @throws SpartakusError `unauthenticated`; the message quotes nothing of the request */
export type Authenticator = (headers: { readonly authorization?: string | undefined }) => void;

export const NO_AUTHENTICATION: Authenticator = () => undefined;

/**
 * Accepts requests with one of the bearer tokens (RFC 6750) in a file: one per line; empty lines and those that begin with "#" are ignored.
 * The file is reloaded when it changes. All hashes are compared, each in constant time.
 *
 * @throws SpartakusError `invalid` where the file is unreadable, has no token, or has an invalid line
 */
export async function openTokenAuthenticator(
  named: NamedFile,
  { clock, logger, stop }: Omit<ReloadOptions, 'files' | 'use'>,
): Promise<Authenticator> {
  // Created once: creating an error per request is a cost.
  const reject = (text: string): SpartakusError => new SpartakusError('unauthenticated', text);
  const missing = reject('a bearer token is required: send the header Authorization: Bearer <token>');
  const unknown = reject("the bearer token is unknown: ask the collector's operator for one");
  let hashes: readonly Buffer[] = [];
  const use = ([content = Buffer.alloc(0)]: readonly Buffer[]): void => {
    hashes = readTokens(named, content).map(hashOf);
  };
  await reloadOnChange({ files: [named], use, clock, logger, stop });
  return ({ authorization }) => {
    const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw missing;
    const sent = hashOf(token);
    let known = false;
    for (const hash of hashes) if (timingSafeEqual(hash, sent)) known = true;
    if (!known) throw unknown;
  };
}

function readTokens(named: NamedFile, content: Buffer): readonly string[] {
  const tokens: string[] = [];
  for (const [index, line] of content.toString('latin1').split('\n').entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    if (!isBearerToken(text))
      throw invalidFile(named, `line ${index + 1} is not a token of printable characters without spaces`);
    tokens.push(text);
  }
  if (tokens.length === 0) throw invalidFile(named, 'contains no token');
  return tokens;
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
