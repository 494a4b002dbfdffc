const MASK = '***';

const URL_PARTS = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)(.*)$/is;

/** An authority without user info: hosts, each with or without a port. */
const HOST_LIST = /^(\[[^\]]*\]|[^:,@[\]]*)(:\d+)?(,(\[[^\]]*\]|[^:,@[\]]*)(:\d+)?)*$/;

/** The start of a query; a "?" alone may be part of a password. */
const QUERY = /\?[a-z]+=/i;

/** Parameters with a secret, such as tlsCertificateKeyFilePassword or authMechanismProperties=AWS_SESSION_TOKEN:…. */
const SECRET_PARAMETER = /([?&][^=&#]*(?:password|passwd|secret|token)[^=&#]*=|AWS_SESSION_TOKEN:)[^&#,]*/gi;

/**
 * Replaces the password of a URL, and parameters that are secrets, by "***".
 *
 * The text need not be a valid URL: it may have several hosts (mongodb://), and "@", "/" or "?" in a password that should have been
 * percent-encoded. Where the end of a password is ambiguous, more is masked rather than less. A text without "://" is not changed.
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
  // A colon without "@" behind it that is not a port: a password without a host.
  return at === -1 && !HOST_LIST.test(authority) ? `${whole.slice(0, colon)}:${MASK}` : whole;
}
