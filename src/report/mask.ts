/**
 * Masks the passwords of all addresses in a text: `scheme://user:secret@host` becomes `scheme://user:***@host`. The text may be
 * an address, a list of hosts as MongoDB's (which is no URL to a URL parser), or a message that quotes one. A password that holds
 * an `@` or a `/` of its own, unescaped, is masked up to the last `@` before the next space or quote.
 */
export function maskUrl(text: string): string {
  return text.replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/)([^\s"'<>]*)@/gi, (_match, scheme: string, credentials: string) => {
    const colon = credentials.indexOf(':');
    return colon < 0 ? `${scheme}${credentials}@` : `${scheme}${credentials.slice(0, colon)}:***@`;
  });
}
