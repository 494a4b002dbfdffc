/** The longest token that fits a header, in characters. */
const MAX_TOKEN_LENGTH = 8192;

/** Whether a text can be sent as a bearer token (RFC 6750): 1 to 8192 printable ASCII characters without spaces. */
export function isBearerToken(text: string): boolean {
  return text.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(text);
}
