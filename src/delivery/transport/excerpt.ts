import { maskUrl } from '../../runtime/mask.ts';

const MAX_LENGTH = 200;

/** A server's text as one line of at most 200 characters, with passwords in URLs masked. */
export function excerpt(text: string): string {
  // oxlint-disable-next-line no-control-regex -- removes control characters
  const line = text.replaceAll(/[\s\u0000-\u001f\u007f-\u009f]+/g, ' ').trim();
  const masked = line.replaceAll(/\S+:\/\/\S+/g, maskUrl);
  return masked.length > MAX_LENGTH ? `${masked.slice(0, MAX_LENGTH)}…` : masked;
}
