import type { ErrorKind } from '../../runtime/errors.ts';
import type { ConnectionFacts } from './connection-problem.ts';

/** What to do about a response of this kind: a space and a sentence, or nothing. */
export function adviceFor(kind: ErrorKind, { flag, credentials }: ConnectionFacts): string {
  switch (kind) {
    case 'unauthenticated':
      return credentials.tokenFile === undefined
        ? ' It requires a token: give one with --token-file.'
        : ' Write a token that it accepts to --token-file, which is read again for each attempt.';
    case 'forbidden':
      return ' A collector forbids no report: permit it in the proxy or gateway in front of it.';
    case 'not-found':
      return ` Check that a Spartakus collector listens at the URL in ${flag}.`;
    case 'invalid':
    case 'too-large':
    case 'unsupported-media-type':
    case 'unimplemented':
    case 'rate-limited':
    case 'overloaded':
    case 'unavailable':
    case 'internal':
    default:
      return '';
  }
}
