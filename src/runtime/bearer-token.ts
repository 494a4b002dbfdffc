/** Whether a text is a bearer token that can be sent (RFC 6750): 1 to 8192 printable ASCII characters without spaces. */
export function isBearerToken(text: string): boolean {
  return /^[\x21-\x7e]{1,8192}$/.test(text);
}
