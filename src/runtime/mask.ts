const MASK = '***';

/** scheme://, the authority, and the rest. */
const URL_PARTS = /^([a-z][a-z0-9+.-]*:\/\/)([^/?#]*)(.*)$/is;

/** One host or several, each with a port or not: what an authority without a user looks like. */
const HOST_LIST = /^(\[[^\]]*\]|[^:,@[\]]*)(:\d+)?(,(\[[^\]]*\]|[^:,@[\]]*)(:\d+)?)*$/;

/** Where a query surely begins: a bare "?" may be part of a password. */
const QUERY = /\?[a-z]+=/i;

/** Parameters that carry a secret, such as tlsCertificateKeyFilePassword or authMechanismProperties=AWS_SESSION_TOKEN:…. */
const SECRET_PARAMETER = /([?&][^=&#]*(?:password|passwd|secret|token)[^=&#]*=|AWS_SESSION_TOKEN:)[^&#,]*/gi;

/**
 * A URL that may be shown: its password, and parameters that are secrets, are replaced by "***".
 *
 * Made for what people really type, so it does not ask that the text be a valid URL: several hosts (mongodb://), and "@", "/" or
 * "?" in a password that should have been percent-encoded. Where it is not clear where a password ends, more is masked rather
 * than less. A text without "://" comes back as it is.
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
  // A colon, no "@" behind it, and no host and port: a password of which the rest was lost.
  return at === -1 && !HOST_LIST.test(authority) ? `${whole.slice(0, colon)}:${MASK}` : whole;
}
