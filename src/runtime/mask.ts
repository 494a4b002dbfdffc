const MASK = '***';

const URL_PARTS = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)(.*)$/is;

/** An authority without user info: hosts, each with or without a port. */
const HOST_LIST = /^(\[[^\]]*\]|[^:,@[\]]*)(:\d+)?(,(\[[^\]]*\]|[^:,@[\]]*)(:\d+)?)*$/;

/** A "?" alone may be part of a password. */
const QUERY = /\?[a-z]+=/i;

/** Parameters with a secret, such as tlsCertificateKeyFilePassword or authMechanismProperties=AWS_SESSION_TOKEN:…. */
const SECRET_PARAMETER = /([?&][^=&#]*(?:password|passwd|secret|token)[^=&#]*=|AWS_SESSION_TOKEN:)[^&#,]*/gi;

/**
 * Replaces the password and the secret parameters of a URL by "***". The URL may have several hosts (mongodb://), and "@", "/" or "?" in a
 * password that should be percent-encoded: if its end is ambiguous, more is masked. A text without "://" is not changed.
 */
export function maskUrl(text: string): string {
  const parts = URL_PARTS.exec(text);
  if (parts === null) return text;
  const [, scheme = '', authority = '', rest = ''] = parts;
  return scheme + maskUserInfo(authority, rest).replaceAll(SECRET_PARAMETER, `$1${MASK}`);
}

function maskUserInfo(authority: string, rest: string): string {
  const whole = authority + rest;
  const query = whole.search(QUERY);
  const head = query === -1 ? whole : whole.slice(0, query);
  const colon = head.indexOf(':');
  const at = head.lastIndexOf('@');
  if (colon === -1) return whole;
  if (at > colon) return `${whole.slice(0, colon)}:${MASK}${whole.slice(at)}`;
  // A colon that is neither followed by "@" nor by a port: a password without a host.
  return at === -1 && !HOST_LIST.test(authority) ? `${whole.slice(0, colon)}:${MASK}` : whole;
}
