const MAX_TOKEN_LENGTH = 8192;

/** Whether a text is a bearer token that can be sent (RFC 6750): 1 to 8192 printable ASCII characters without spaces. */
export function isBearerToken(text: string): boolean {
  return text.length <= MAX_TOKEN_LENGTH && /^[\x21-\x7e]+$/.test(text);
}
