import { createHash, timingSafeEqual } from 'node:crypto';
import { isBearerToken } from '../../../runtime/bearer-token.ts';
import type { Clock } from '../../../runtime/clock.ts';
import { SpartakusError } from '../../../runtime/errors.ts';
import type { Logger } from '../../../runtime/logger.ts';
import { type NamedFile, reloadOnChange, invalidFile } from '../../../runtime/reload-on-change.ts';

/**
 * Lets a request in by its headers, before anything of its body is read.
 *
 * @throws SpartakusError of kind `unauthenticated`; the message holds nothing of what was sent
 */
export type Gate = (headers: { readonly authorization?: string | undefined }) => void;

/** Lets everybody in. */
export const OPEN_GATE: Gate = () => undefined;

export interface TokenGateOptions {
  readonly clock: Pick<Clock, 'sleep'>;
  readonly logger: Logger;
  /** Ends the watch over the file. */
  readonly stop: AbortSignal;
}

/**
 * A gate for whoever sends one of the bearer tokens (RFC 6750) of a file: one a line; empty lines, and those that begin with "#", are
 * left out. The file is followed, see reloadOnChange. Only hashes are compared, always all of them, each in constant time.
 *
 * @throws SpartakusError of kind `invalid` where the file cannot be read, holds no token, or holds a line that is none
 */
export async function openTokenGate(named: NamedFile, { clock, logger, stop }: TokenGateOptions): Promise<Gate> {
  // Made once, and thrown to everybody: under a flood, even the making of an error counts.
  const missing = new SpartakusError(
    'unauthenticated',
    'a bearer token is needed: send it in the header Authorization, as "Bearer …"',
  );
  const unknown = new SpartakusError(
    'unauthenticated',
    'the bearer token is unknown here: ask whoever runs this collector for one',
  );
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
      throw invalidFile(named, `line ${index + 1} is no token of printable characters without spaces`);
    tokens.push(text);
  }
  if (tokens.length === 0) throw invalidFile(named, 'holds no token');
  return tokens;
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
