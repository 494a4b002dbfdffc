import type { ErrorKind } from '../../runtime/errors.ts';
import type { ConnectionFacts } from './connection-problem.ts';

/** What to do about a response of this kind: a space and a sentence, or nothing. */
export function adviceFor(kind: ErrorKind, { flag, credentials }: ConnectionFacts): string {
  if (kind === 'unauthenticated') {
    return credentials.tokenFile === undefined
      ? ' It requires a token: give one with --token-file.'
      : ' Write a token that it accepts to --token-file, which is read again for each attempt.';
  }
  if (kind === 'forbidden') return ' A collector forbids no report: permit it in the proxy or gateway in front of it.';
  if (kind === 'not-found') return ` Check that a Spartakus collector listens at the URL in ${flag}.`;
  return '';
}
